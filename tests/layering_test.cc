// SPDX-License-Identifier: Apache-2.0
// Holds the tree to its architecture: who may include whom, where vendor headers may appear, and that every file carries
// its licence, is built by its folder and is named in its folder's README. The table below is the architecture.
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
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cadmus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// ---- The table.

// Floors, bottom first. In a floor, steps in include order: a file may include its own folder, earlier steps of its floor,
// and lower floors. Folders that share a step stand beside each other and may not include each other. An entry is a folder
// with everything below it that has no entry of its own, or the stem of a file that stands in the floor's folder.
struct Floor {
  std::string_view name;
  std::vector<std::vector<std::string_view>> steps;
};

const std::vector<Floor>& Floors() {
  static const std::vector<Floor> floors = {
      {"kernels", {{"base"}, {"device"}, {"ops"}, {"cpu", "cuda", "sim"}, {"open_device"}}},
      {"collectives",
       {{"recorder"}, {"watchdog"}, {"communicator"}, {"ordered"}, {"local", "mpi", "nccl", "sim"}}},
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
      {"models", {{"layers"}, {"llama"}, {"adapters"}, {"interop"}, {"generate"}, {"evaluate"}}},
      {"launch",
       {{"config"},
        {"cluster"},
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

// Where the headers of a vendor may be included: anywhere below the paths listed, or in any source file (never a header)
// outside the paths of `never`.
struct VendorRule {
  std::vector<std::string_view> headers;  // prefixes; with a leading '*', suffixes
  std::vector<std::string_view> allowed;
  bool any_source_file = false;
  std::vector<std::string_view> never;
};

const std::vector<VendorRule>& VendorRules() {
  static const std::vector<VendorRule> rules = {
      {.headers = {"cuda", "cublas", "cudnn"}, .allowed = {"kernels/cuda/", "collectives/nccl/"}},
      {.headers = {"nccl.h"}, .allowed = {"collectives/nccl/"}},
      {.headers = {"mpi.h"}, .allowed = {"collectives/mpi/", "tests/support/"}},
      {.headers = {"dnnl", "oneapi/dnnl", "cblas"}, .allowed = {"kernels/cpu/"}},
      {.headers = {"spdlog/", "fmt/"}, .allowed = {"kernels/base/log.cc"}},
      {.headers = {"*.pb.h", "google/protobuf/"},
       .allowed = {},
       .any_source_file = true,
       .never = {"kernels/", "collectives/"}},
      {.headers = {"CLI/", "nlohmann/", "simdjson", "pcre2", "isa-l", "xxhash", "zlib"},
       .allowed = {},
       .any_source_file = true,
       .never = {}},
  };
  return rules;
}

// ---- The checker: from the text of every file, by its path from the repository root, to a list of violations.

using Tree = std::map<std::string, std::string>;

bool AnyPrefix(std::string_view text, const std::vector<std::string_view>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return text.starts_with(prefix); });
}

std::string_view Folder(std::string_view path) {
  return path.substr(0, path.rfind('/'));
}

std::string_view FileName(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

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

bool IsSource(std::string_view path) {
  static const std::set<std::string_view> others = {".proto", ".py", ".sh"};
  return IsHeader(path) || IsCompiled(path) || others.contains(Extension(path));
}

bool InMirror(std::string_view path) {
  return std::any_of(std::begin(kMirrors), std::end(kMirrors), [&](std::string_view mirror) {
    return path.starts_with(mirror) && path.substr(mirror.size()).starts_with('/');
  });
}

// Place of a file in the table; the entry with the longest match wins.
struct Place {
  size_t floor;
  size_t step;
  std::string_view entry;
};

std::optional<size_t> FloorOf(std::string_view path) {
  for (size_t f = 0; f < Floors().size(); ++f) {
    const std::string_view name = Floors()[f].name;
    if (path.starts_with(name) && path.substr(name.size()).starts_with('/')) return f;
  }
  return std::nullopt;
}

std::optional<Place> PlaceOf(std::string_view path) {
  const std::optional<size_t> floor = FloorOf(path);
  if (!floor) return std::nullopt;
  const std::string_view rest = path.substr(Floors()[*floor].name.size() + 1);
  std::optional<Place> best;
  const auto& steps = Floors()[*floor].steps;
  for (size_t s = 0; s < steps.size(); ++s) {
    for (const std::string_view entry : steps[s]) {
      if (!rest.starts_with(entry)) continue;
      const std::string_view after = rest.substr(entry.size());
      const bool matches = after.starts_with('/') || (after.starts_with('.') && !after.contains_slash());
      if (matches && (!best || entry.size() > best->entry.size())) best = Place{*floor, s, entry};
    }
  }
  return best;
}
