// SPDX-License-Identifier: Apache-2.0
#include "launch/config/load_config.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "launch/config/apply_override.h"
#include "launch/config/parse_text.h"
#include "launch/config/text_tokens.h"

namespace cadmus {
namespace {

using google::protobuf::Message;

struct Include {
  TextPlace place;
  std::string file;
};

bool Is(const TextToken& token, std::string_view text) {
  return token.kind != TokenKind::kString && token.text == text;
}

std::string At(const std::filesystem::path& path, TextPlace place) {
  return StrCat(path.string(), ":", place.line + 1, ":", place.column + 1, ": ");
}

// The includes of a text in order, each alone on its line.
std::vector<Include> IncludesOf(const std::filesystem::path& path, const std::string& text) {
  const std::vector<TextToken> tokens = TokensOf(text);
  std::vector<Include> includes;
  int depth = 0;
  for (size_t i = 0; i + 3 < tokens.size(); ++i) {
    const TextToken& token = tokens[i];
    if (Is(token, "{") || Is(token, "<") || Is(token, "[")) ++depth;
    if (Is(token, "}") || Is(token, ">") || Is(token, "]")) --depth;
    if (depth != 0 || !Is(token, "include") || !Is(tokens[i + 1], ":") ||
        tokens[i + 2].kind != TokenKind::kString) {
      continue;
    }
    const TextToken& after = tokens[i + 3];
    const int line = token.place.line;
    if ((i > 0 && tokens[i - 1].place.line == line) || tokens[i + 2].place.line != line ||
        (after.place.line == line && after.kind != TokenKind::kEnd)) {
      throw Error(Kind::kConfig,
                  StrCat(At(path, token.place), "write an include on a line of its own"));
    }
    includes.push_back({token.place, StringContent(tokens[i + 2])});
  }
  return includes;
}

// The lines [begin, end) of `text` behind as many empty ones as keep their numbers.
std::string LinesOf(const std::string& text, int begin, int end) {
  std::string out(begin, '\n');
  size_t at = 0;
  for (int line = 0; line < end && at < text.size(); ++line) {
    const size_t next = std::min(text.find('\n', at), text.size() - 1) + 1;
    if (line >= begin) out.append(text, at, next - at);
    at = next;
  }
  return out;
}

class Loader {
 public:
  explicit Loader(Message& out) : out_(out) {}

  void Load(const std::filesystem::path& path) {
    open_.push_back(std::filesystem::weakly_canonical(path));
    const std::string text = ReadFile(path, Kind::kConfig);
    const int num_lines = static_cast<int>(std::count(text.begin(), text.end(), '\n')) + 1;
    int line = 0;
    for (const Include& include : IncludesOf(path, text)) {
      ParseText(path.string(), LinesOf(text, line, include.place.line), out_);
      LoadIncluded(path, include);
      line = include.place.line + 1;
    }
    ParseText(path.string(), LinesOf(text, line, num_lines), out_);
    open_.pop_back();
  }

 private:
  void LoadIncluded(const std::filesystem::path& from, const Include& include) {
    const std::filesystem::path path = from.parent_path() / include.file;
    if (!std::filesystem::is_regular_file(path)) {
      throw Error(Kind::kConfig, StrCat(At(from, include.place), "there is no file ", path.string(),
                                        " to include; paths are relative to the including file"));
    }
    const std::filesystem::path canonical = std::filesystem::weakly_canonical(path);
    if (const auto first = std::find(open_.begin(), open_.end(), canonical); first != open_.end()) {
      std::string cycle;
      for (auto file = first; file != open_.end(); ++file) cycle += StrCat(file->string(), " -> ");
      throw Error(Kind::kConfig, StrCat(At(from, include.place), "include cycle: ", cycle,
                                        canonical.string(), "; take one of the includes out"));
    }
    Load(path);
  }

  Message& out_;
  std::vector<std::filesystem::path> open_;  // the file being read and those that include it
};

}  // namespace

void LoadConfig(const std::filesystem::path& path, std::span<const std::string> overrides,
                Message& out) {
  CADMUS_CHECK(out.GetDescriptor()->FindFieldByName("include") == nullptr,
               StrCat(out.GetTypeName(), " has a field of the reserved name include"));
  out.Clear();
  Loader(out).Load(path);
  for (const std::string& override : overrides) ApplyOverride(override, out);
  if (!out.IsInitialized()) {
    throw Error(Kind::kConfig, StrCat(path.string(), ": set the required fields of ",
                                      out.GetTypeName(), ": ", out.InitializationErrorString()));
  }
}

}  // namespace cadmus
