// SPDX-License-Identifier: Apache-2.0
// Holds the tree to its architecture: who may include whom, where vendor headers may appear, and
// that every file carries its licence, is built by its folder and is named in its folder's README.
// The table below is the architecture.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cadmus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// ---- The table.

// Floors, bottom first. In a floor, steps in include order: a file may include its own folder,
// earlier steps of its floor, and lower floors. Folders that share a step stand beside each other
// and may not include each other. An entry is a folder with everything below it that has no entry
// of its own, or the stem of a file that stands in the floor's folder.
struct Floor {
  std::string_view name;
  std::vector<std::vector<std::string_view>> steps;
};

const std::vector<Floor>& Floors() {
  static const std::vector<Floor> floors = {
      {"kernels", {{"base"}, {"device"}, {"ops"}, {"cpu", "cuda", "sim"}, {"open_device"}}},
      {"collectives",
       {{"recorder"},
        {"watchdog"},
        {"communicator"},
        {"ordered"},
        {"local", "mpi", "nccl", "sim"}}},
      {"runtime",
       {{"mesh"},
        {"formats"},
        {"state"},
        {"nn"},
        {"parallel"},
        {"parallel/tensor"},
        {"parallel/context"},
        {"parallel/expert"},
        {"parallel/pipeline"},
        {"parallel/data"},
        {"schedule"},
        {"optim"},
        {"text"},
        {"data"},
        {"checkpoint"},
        {"metrics"},
        {"train"}}},
      {"models",
       {{"layers"},
        {"decoder"},
        {"hugging_face"},
        {"gpt2", "llama"},
        {"families"},
        {"adapters"},
        {"interop"},
        {"generate"},
        {"evaluate"}}},
      {"launch",
       {{"config"},
        {"cluster"},
        {"run"},
        {"plan"},
        {"simulate"},
        {"supervise"},
        {"bench"},
        {"serve"},
        {"report"},
        {"commands"},
        {"main"}}},
  };
  return floors;
}

// Folders that mirror the floors: nothing includes them, they include anything.
constexpr std::string_view kMirrors[] = {"tests", "benchmarks"};

// Where the headers of a vendor may be included: anywhere below the paths listed, or in any source
// file (never a header) outside the paths of `never`.
struct VendorRule {
  std::vector<std::string_view> headers;  // prefixes; with a leading '*', suffixes
  std::vector<std::string_view> allowed = {};
  bool any_source_file = false;
  std::vector<std::string_view> never = {};
};

const std::vector<VendorRule>& VendorRules() {
  static const std::vector<VendorRule> rules = {
      {.headers = {"cuda", "cublas", "cudnn"},
       .allowed = {"kernels/cuda/", "collectives/nccl/", "benchmarks/gpu/"}},
      {.headers = {"nccl.h"}, .allowed = {"collectives/nccl/"}},
      {.headers = {"mpi.h"}, .allowed = {"collectives/mpi/", "tests/support/"}},
      {.headers = {"dnnl", "oneapi/dnnl", "cblas"}, .allowed = {"kernels/cpu/", "benchmarks/"}},
      {.headers = {"spdlog/", "fmt/"}, .allowed = {"kernels/base/log.cc"}},
      {.headers = {"*.pb.h", "google/protobuf/"},
       .any_source_file = true,
       .never = {"kernels/", "collectives/"}},
      {.headers = {"CLI/", "nlohmann/", "simdjson", "pcre2", "utf8proc", "sentencepiece", "isa-l",
                   "xxhash", "zlib"},
       .any_source_file = true},
  };
  return rules;
}

// ---- The checker: from the text of every file, by its path from the repository root, to a list of
// violations.

using Tree = std::map<std::string, std::string>;

bool Below(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && path.substr(folder.size()).starts_with('/');
}

bool StartsWithAny(std::string_view text, const std::vector<std::string_view>& prefixes) {
  return std::ranges::any_of(prefixes,
                             [&](std::string_view prefix) { return text.starts_with(prefix); });
}

std::string_view FolderOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view FileName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string_view Extension(std::string_view path) {
  const std::string_view name = FileName(path);
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(dot);
}

std::string_view Stem(std::string_view path) {
  const std::string_view name = FileName(path);
  return name.substr(0, name.find('.'));
}

bool IsHeader(std::string_view path) {
  return Extension(path) == ".h" || Extension(path) == ".cuh";
}

bool IsCompiled(std::string_view path) {
  return Extension(path) == ".cc" || Extension(path) == ".cu";
}

bool IsBuilt(std::string_view path) { return IsCompiled(path) || Extension(path) == ".proto"; }

bool IsSource(std::string_view path) {
  return IsHeader(path) || IsBuilt(path) || Extension(path) == ".sh" || Extension(path) == ".py";
}

bool InMirror(std::string_view path) {
  return std::ranges::any_of(kMirrors,
                             [&](std::string_view mirror) { return Below(path, mirror); });
}

const Floor* FloorOf(std::string_view path) {
  const auto it =
      std::ranges::find_if(Floors(), [&](const Floor& floor) { return Below(path, floor.name); });
  return it == Floors().end() ? nullptr : &*it;
}

// Where a file stands in the table: the entry with the longest match.
struct Place {
  size_t floor;
  size_t step;
  std::string_view entry;
};

std::optional<Place> PlaceOf(std::string_view path) {
  const Floor* floor = FloorOf(path);
  if (floor == nullptr) return std::nullopt;
  const size_t floor_index = static_cast<size_t>(floor - Floors().data());
  const std::string_view rest = path.substr(floor->name.size() + 1);
  const bool in_floor_folder = rest.find('/') == std::string_view::npos;
  std::optional<Place> best;
  for (size_t step = 0; step < floor->steps.size(); ++step) {
    for (const std::string_view entry : floor->steps[step]) {
      const bool matches = in_floor_folder ? Stem(rest) == entry : Below(rest, entry);
      if (matches && (!best || entry.size() > best->entry.size()))
        best = Place{floor_index, step, entry};
    }
  }
  return best;
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

std::string_view SkipSpaces(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(" \t"), text.size()));
}

struct Include {
  std::string_view header;
  bool quoted;
};

std::vector<Include> IncludesOf(std::string_view text) {
  std::vector<Include> includes;
  for (std::string_view line : Lines(text)) {
    line = SkipSpaces(line);
    if (!line.starts_with('#')) continue;
    line = SkipSpaces(line.substr(1));
    if (!line.starts_with("include")) continue;
    line = SkipSpaces(line.substr(7));
    if (!line.starts_with('"') && !line.starts_with('<')) continue;
    const bool quoted = line.front() == '"';
    const size_t end = line.find(quoted ? '"' : '>', 1);
    if (end != std::string_view::npos) includes.push_back({line.substr(1, end - 1), quoted});
  }
  return includes;
}

// Whether `word` stands in `text` with no letter, digit or underscore on either side.
bool ContainsWord(std::string_view text, std::string_view word) {
  const auto joins = [&](size_t at) {
    return at < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[at])) != 0 || text[at] == '_');
  };
  for (size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    if (!joins(at - 1) && !joins(at + word.size())) return true;  // at - 1 wraps past the end at 0
  }
  return false;
}

class Checker {
 public:
  explicit Checker(const Tree& tree) : tree_(tree) {}

  std::vector<std::string> Run() {
    for (const auto& [path, text] : tree_) {
      CheckLicence(path, text);
      if (!IsSource(path)) continue;
      const bool has_place = IsHeader(path) || IsBuilt(path);
      if (has_place && FloorOf(path) != nullptr && !PlaceOf(path)) {
        Report(path,
               "its folder is not in the table of tests/layering_test.cc; add it in include order");
      }
      if (IsHeader(path) || IsCompiled(path)) CheckCode(path, text);
      if (IsBuilt(path)) CheckBuilt(path);
      CheckReadme(path);
    }
    return violations_;
  }

 private:
  void Report(std::string_view path, const std::string& what) {
    violations_.push_back(std::string(path) + ": " + what);
  }

  // A script's first line may be its interpreter.
  void CheckLicence(std::string_view path, std::string_view text) {
    const bool slashes = IsHeader(path) || IsBuilt(path);
    const bool hash = FileName(path) == "CMakeLists.txt" || Extension(path) == ".cmake" ||
                      Extension(path) == ".sh" || Extension(path) == ".py" ||
                      Extension(path) == ".textproto";
    if (!slashes && !hash) return;
    if (hash && text.starts_with("#!"))
      text.remove_prefix(std::min(text.find('\n') + 1, text.size()));
    const std::string line =
        std::string(slashes ? "//" : "#") + " SPDX-License-Identifier: Apache-2.0\n";
    if (!text.starts_with(line))
      Report(path, "the first line is not '" + line.substr(0, line.size() - 1) + "'");
  }

  void CheckCode(std::string_view path, std::string_view text) {
    for (const Include& include : IncludesOf(text)) {
      CheckVendor(path, include.header);
      const bool ours = FloorOf(include.header) != nullptr || InMirror(include.header);
      if (!ours && !include.quoted) continue;
      if (include.quoted && (ours || !IsVendor(include.header))) CheckExists(path, include.header);
      if (!include.quoted)
        Report(path, "includes <" + std::string(include.header) + ">; write it in quotes");
      if (ours) CheckOrder(path, include.header);
    }
    if (!IsHeader(path)) return;
    for (const std::string_view line : Lines(text)) {
      if (SkipSpaces(line).starts_with("using namespace "))
        Report(path, "a header says '" + std::string(line) + "'");
    }
  }

  static bool MatchesVendor(std::string_view header, const VendorRule& rule) {
    return std::ranges::any_of(rule.headers, [&](std::string_view pattern) {
      return pattern.starts_with('*') ? header.ends_with(pattern.substr(1))
                                      : header.starts_with(pattern);
    });
  }

  static bool IsVendor(std::string_view header) {
    return std::ranges::any_of(VendorRules(),
                               [&](const VendorRule& rule) { return MatchesVendor(header, rule); });
  }

  void CheckVendor(std::string_view path, std::string_view header) {
    for (const VendorRule& rule : VendorRules()) {
      if (!MatchesVendor(header, rule)) continue;
      const bool allowed = rule.any_source_file
                               ? !IsHeader(path) && !StartsWithAny(path, rule.never)
                               : StartsWithAny(path, rule.allowed);
      if (!allowed) Report(path, "may not include the vendor header " + std::string(header));
    }
  }

  // A generated x.pb.h exists where x.proto does.
  void CheckExists(std::string_view path, std::string_view header) {
    std::string file(header);
    if (file.ends_with(".pb.h")) file.replace(file.size() - 4, 4, "proto");
    if (!tree_.contains(file)) {
      Report(path,
             "includes \"" + std::string(header) + "\", which is no file from the repository root");
    }
  }

  void CheckOrder(std::string_view path, std::string_view header) {
    if (InMirror(path)) return;
    if (InMirror(header))
      return Report(path,
                    "includes " + std::string(header) + "; nothing includes tests or benchmarks");
    const std::optional<Place> from = PlaceOf(path);
    const std::optional<Place> to = PlaceOf(header);
    if (!from || !to) return;  // reported by its own name
    const bool same_entry = from->floor == to->floor && from->entry == to->entry;
    const bool earlier =
        to->floor < from->floor || (to->floor == from->floor && to->step < from->step);
    if (!same_entry && !earlier) {
      Report(path,
             "may not include " + std::string(header) + ": it stands " +
                 (to->floor > from->floor || to->step > from->step ? "later in" : "beside it in") +
                 " the table");
    }
  }

  void CheckBuilt(std::string_view path) {
    const auto lists = tree_.find(std::string(FolderOf(path)) + "/CMakeLists.txt");
    if (lists == tree_.end() || !ContainsWord(lists->second, FileName(path))) {
      Report(path, "is not built: name it in the CMakeLists.txt of its folder");
    }
  }

  // The folders of tests that mirror a floor are exempt: a test's idea is that of the file it
  // tests.
  void CheckReadme(std::string_view path) {
    const std::string_view folder = FolderOf(path);
    const bool mirrors_floor =
        InMirror(path) && FloorOf(path.substr(path.find('/') + 1)) != nullptr;
    if (mirrors_floor || folder.empty()) return;
    const auto readme = tree_.find(std::string(folder) + "/README.md");
    if (readme == tree_.end()) {
      if (without_readme_.insert(std::string(folder)).second) {
        Report(folder, "has no README.md with a line for each file");
      }
    } else if (!ContainsWord(readme->second, Stem(path))) {
      Report(path, "the README.md of its folder does not name it");
    }
  }

  const Tree& tree_;
  std::set<std::string> without_readme_;  // folders, to report each once
  std::vector<std::string> violations_;
};

std::vector<std::string> Violations(const Tree& tree) { return Checker(tree).Run(); }

// ---- The repository.

Tree ReadRepository() {
  const std::filesystem::path root = CADMUS_SOURCE_DIR;
  std::vector<std::string_view> folders(std::begin(kMirrors), std::end(kMirrors));
  for (const Floor& floor : Floors()) folders.push_back(floor.name);
  Tree tree;
  for (const std::string_view folder : folders) {
    if (!std::filesystem::exists(root / folder)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file() || entry.path().extension() == ".safetensors") continue;
      std::ifstream file(entry.path(), std::ios::binary);
      tree[entry.path().lexically_relative(root).generic_string()] =
          std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
  }
  return tree;
}

TEST(Layering, TreeKeepsToTheTable) {
  const Tree tree = ReadRepository();
  ASSERT_TRUE(tree.contains("kernels/base/error.h"))
      << "read the wrong folder: " << CADMUS_SOURCE_DIR;
  for (const std::string& violation : Violations(tree)) ADD_FAILURE() << violation;
}

// ---- The checker, on planted texts.

const std::string kLicence = "// SPDX-License-Identifier: Apache-2.0\n";

// A tree with one header in each given folder, everything in order, to which a test adds one
// planted file.
Tree GoodTree(const std::vector<std::string>& folders) {
  Tree tree;
  for (const std::string& folder : folders) {
    tree[folder + "/CMakeLists.txt"] =
        "# SPDX-License-Identifier: Apache-2.0\ncadmus_library(x SOURCES planted.cc a.proto)\n";
    tree[folder + "/README.md"] = "- `a`: a thing.\n- `planted`: another.\n";
    tree[folder + "/a.h"] = kLicence + "#pragma once\n#include <vector>\n";
  }
  return tree;
}

// The violations of one planted file among the good headers of `folders`.
std::vector<std::string> Plant(std::vector<std::string> folders, const std::string& path,
                               const std::string& text) {
  folders.emplace_back(FolderOf(path));
  Tree tree = GoodTree(folders);
  tree[path] = text;
  return Violations(tree);
}

std::vector<std::string> PlantInclude(const std::string& path, const std::string& folder) {
  return Plant({folder}, path, kLicence + "#include \"" + folder + "/a.h\"\n");
}

TEST(LayeringChecker, AcceptsEarlierFoldersOwnFolderAndLowerFloors) {
  EXPECT_THAT(PlantInclude("kernels/ops/planted.cc", "kernels/device"), IsEmpty());
  EXPECT_THAT(PlantInclude("kernels/ops/planted.cc", "kernels/ops"), IsEmpty());
  EXPECT_THAT(PlantInclude("launch/commands/planted.cc", "kernels/base"), IsEmpty());
  EXPECT_THAT(PlantInclude("kernels/cuda/sm90/planted.cc", "kernels/cuda"), IsEmpty());
  EXPECT_THAT(PlantInclude("kernels/cuda/planted.cc", "kernels/cuda/sm90"), IsEmpty());
  EXPECT_THAT(PlantInclude("collectives/mpi/planted.cc", "collectives/ordered"), IsEmpty());
  EXPECT_THAT(PlantInclude("runtime/parallel/data/planted.cc", "runtime/parallel"), IsEmpty());
  EXPECT_THAT(PlantInclude("tests/models/llama/planted.cc", "tests/support"), IsEmpty());
}

TEST(LayeringChecker, RefusesLaterFoldersAndHigherFloors) {
  EXPECT_THAT(PlantInclude("kernels/base/planted.cc", "kernels/device"),
              ElementsAre(HasSubstr("later in the table")));
  EXPECT_THAT(PlantInclude("kernels/base/planted.cc", "runtime/mesh"),
              ElementsAre(HasSubstr("later in the table")));
  EXPECT_THAT(PlantInclude("runtime/mesh/planted.cc", "models/layers"),
              ElementsAre(HasSubstr("later in the table")));
  EXPECT_THAT(PlantInclude("runtime/parallel/planted.cc", "runtime/parallel/data"),
              ElementsAre(HasSubstr("later in the table")));
}

TEST(LayeringChecker, RefusesFoldersThatStandBesideEachOther) {
  EXPECT_THAT(PlantInclude("kernels/sim/planted.cc", "kernels/cpu"),
              ElementsAre(HasSubstr("beside it in the table")));
  EXPECT_THAT(PlantInclude("collectives/local/planted.cc", "collectives/mpi"),
              ElementsAre(HasSubstr("beside it in the table")));
}

TEST(LayeringChecker, RefusesIncludesOfTestsAndFoldersMissingFromTheTable) {
  EXPECT_THAT(PlantInclude("kernels/ops/planted.cc", "tests/support"),
              ElementsAre(HasSubstr("nothing includes tests")));
  EXPECT_THAT(
      Plant({}, "kernels/extra/planted.cc", kLicence),
      UnorderedElementsAre(
          "kernels/extra/a.h: its folder is not in the table of tests/layering_test.cc; add it in "
          "include order",
          HasSubstr("kernels/extra/planted.cc: its folder is not in the table")));
}

TEST(LayeringChecker, KnowsFilesThatStandInAFloorsFolder) {
  Tree tree = GoodTree({"kernels", "kernels/cpu", "kernels/sim"});
  tree.erase("kernels/a.h");
  tree["kernels/CMakeLists.txt"] =
      "# SPDX-License-Identifier: Apache-2.0\nadd_library(o open_device.cc)\n";
  tree["kernels/README.md"] = "- `open_device`: opens.\n";
  tree["kernels/open_device.cc"] =
      kLicence + "#include \"kernels/cpu/a.h\"\n#include \"kernels/sim/a.h\"\n";
  EXPECT_THAT(Violations(tree), IsEmpty());
}

TEST(LayeringChecker, KeepsVendorHeadersInTheirFolders) {
  const auto plant = [](const std::string& path, const std::string& header) {
    return Plant({}, path, kLicence + "#  include <" + header + ">\n");
  };
  EXPECT_THAT(plant("kernels/cuda/planted.cc", "cuda_runtime.h"), IsEmpty());
  EXPECT_THAT(plant("kernels/cpu/planted.cc", "dnnl.hpp"), IsEmpty());
  EXPECT_THAT(plant("collectives/mpi/planted.cc", "mpi.h"), IsEmpty());
  EXPECT_THAT(plant("launch/config/planted.cc", "nlohmann/json.hpp"), IsEmpty());
  for (const auto& [path, header] : std::vector<std::pair<std::string, std::string>>{
           {"kernels/ops/planted.cc", "cublasLt.h"},
           {"kernels/cpu/planted.cc", "cuda.h"},
           {"kernels/cuda/planted.cc", "nccl.h"},
           {"collectives/local/planted.cc", "mpi.h"},
           {"runtime/nn/planted.cc", "oneapi/dnnl/dnnl.hpp"},
           {"tests/kernels/cpu/planted.cc", "cblas.h"},
           {"runtime/train/planted.cc", "spdlog/spdlog.h"},
           {"runtime/text/planted.h", "pcre2.h"},
           {"collectives/local/planted.cc", "google/protobuf/message.h"}}) {
    EXPECT_THAT(plant(path, header), ElementsAre(HasSubstr("vendor header " + header))) << path;
  }
}

TEST(LayeringChecker, KeepsGeneratedHeadersInSourceFilesAboveCollectives) {
  const auto plant = [](const std::string& folder, const std::string& name) {
    Tree tree = GoodTree({folder});
    tree[folder + "/a.proto"] = kLicence;
    tree[folder + "/" + name] = kLicence + "#include \"" + folder + "/a.pb.h\"\n";
    return Violations(tree);
  };
  EXPECT_THAT(plant("runtime/optim", "planted.cc"), IsEmpty());
  EXPECT_THAT(plant("runtime/optim", "planted.h"),
              ElementsAre(HasSubstr("vendor header runtime/optim/a.pb.h")));
  EXPECT_THAT(plant("kernels/ops", "planted.cc"),
              ElementsAre(HasSubstr("vendor header kernels/ops/a.pb.h")));
  EXPECT_THAT(
      Plant({}, "runtime/optim/planted.cc", kLicence + "#include \"runtime/optim/a.pb.h\"\n"),
      ElementsAre(HasSubstr("no file from the repository root")));
}

TEST(LayeringChecker, WantsIncludesFromTheRepositoryRoot) {
  const auto plant = [](const std::string& line) {
    return Plant({}, "kernels/ops/planted.cc", kLicence + "#include " + line + "\n");
  };
  EXPECT_THAT(plant("\"a.h\""), ElementsAre(HasSubstr("no file from the repository root")));
  EXPECT_THAT(plant("\"../ops/a.h\""), ElementsAre(HasSubstr("no file from the repository root")));
  EXPECT_THAT(plant("\"kernels/ops/gone.h\""),
              ElementsAre(HasSubstr("no file from the repository root")));
  EXPECT_THAT(plant("<kernels/ops/a.h>"), ElementsAre(HasSubstr("write it in quotes")));
  EXPECT_THAT(plant("\"gtest/gtest.h\""),
              ElementsAre(HasSubstr("no file from the repository root")));
}

TEST(LayeringChecker, WantsTheLicenceFirst) {
  EXPECT_THAT(Plant({}, "kernels/ops/planted.cc", ""), ElementsAre(HasSubstr("first line")));
  EXPECT_THAT(Plant({}, "kernels/ops/planted.cc", "#pragma once\n" + kLicence),
              ElementsAre(HasSubstr("first line")));
  EXPECT_THAT(
      Plant({}, "launch/commands/planted.sh", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"),
      IsEmpty());
  EXPECT_THAT(Plant({}, "launch/commands/planted.sh", "#!/bin/sh"),
              ElementsAre(HasSubstr("first line")));
}

TEST(LayeringChecker, RefusesUsingNamespaceInHeaders) {
  const std::string text = kLicence + "  using namespace std;\n";
  EXPECT_THAT(Plant({}, "kernels/ops/planted.h", text),
              ElementsAre(HasSubstr("using namespace std")));
  EXPECT_THAT(Plant({}, "kernels/ops/planted.cc", text), IsEmpty());
  EXPECT_THAT(Plant({}, "kernels/ops/planted.h", kLicence + "// using namespace std is refused\n"),
              IsEmpty());
}

TEST(LayeringChecker, WantsEverySourceBuiltAndNamedInItsReadme) {
  Tree tree = GoodTree({"kernels/ops"});
  tree["kernels/ops/implanted.cc"] = kLicence;  // the lists hold `planted`, which is another word
  EXPECT_THAT(Violations(tree),
              UnorderedElementsAre(HasSubstr("is not built"), HasSubstr("does not name it")));

  tree = GoodTree({"kernels/ops"});
  tree.erase("kernels/ops/README.md");
  EXPECT_THAT(Violations(tree),
              ElementsAre("kernels/ops: has no README.md with a line for each file"));

  tree = GoodTree({"tests/kernels/ops", "tests/support"});
  tree.erase("tests/kernels/ops/README.md");
  tree.erase("tests/support/README.md");
  EXPECT_THAT(Violations(tree), ElementsAre(HasSubstr("tests/support: has no README.md")));
}

}  // namespace
}  // namespace cadmus
