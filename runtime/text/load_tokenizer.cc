// SPDX-License-Identifier: Apache-2.0
#include <simdjson.h>

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "runtime/text/byte_alphabet.h"
#include "runtime/text/tokenizer_json.h"
#include "runtime/text/utf8.h"

namespace cadmus {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

// A value, short enough for a message; of an object with a type, the type.
std::string Describe(element value) {
  std::string_view type;
  if (value["type"].get(type) == simdjson::SUCCESS) return std::string(type);
  constexpr size_t kMaxSize = 60;
  std::string text = simdjson::minify(value);
  if (text.size() <= kMaxSize) return text;
  text.resize(kMaxSize);
  return text.substr(0, ValidUtf8Prefix(text)) + "…";
}

Error WrongValue(std::string_view field, element value, std::string_view expected) {
  return Error(Kind::kData, StrCat(field, ": ", Describe(value), " is not supported; this version ",
                                   "takes ", expected));
}

template <class T>
T As(element value, std::string_view field, std::string_view expected) {
  T out;
  if (value.get(out) != simdjson::SUCCESS) throw WrongValue(field, value, expected);
  return out;
}

// One JSON object of the file: fields by name, unknown and repeated ones refused.
class Fields {
 public:
  Fields(element value, std::string path, std::initializer_list<std::string_view> known)
      : path_(std::move(path)) {
    for (const auto [key, field] : As<object>(value, path_, "an object")) {
      if (std::ranges::find(known, key) == known.end()) {
        throw Error(Kind::kData, StrCat(PathOf(key), ": unknown field; its meaning for token ids ",
                                        "is not known to this version"));
      }
      if (!fields_.emplace(key, field).second) {
        throw Error(Kind::kData, StrCat(PathOf(key), ": this field is there twice"));
      }
    }
  }

  std::string PathOf(std::string_view key) const {
    return path_.empty() ? std::string(key) : StrCat(path_, ".", key);
  }

  std::optional<element> Find(std::string_view key) const {
    const auto found = fields_.find(key);
    if (found == fields_.end()) return std::nullopt;
    return found->second;
  }

  template <class T>
  T Get(std::string_view key, std::string_view expected) const {
    const std::optional<element> value = Find(key);
    if (!value) throw Error(Kind::kData, StrCat(PathOf(key), ": this field is missing"));
    return As<T>(*value, PathOf(key), expected);
  }

  bool Flag(std::string_view key, std::optional<bool> when_absent) const {
    if (when_absent && !Find(key)) return *when_absent;
    return Get<bool>(key, "true or false");
  }

  void RequireString(std::string_view key, std::string_view expected) const {
    if (Get<std::string_view>(key, expected) != expected) {
      throw WrongValue(PathOf(key), *Find(key), expected);
    }
  }
  void RequireNull(std::string_view key) const {
    if (const auto value = Find(key); value && !value->is_null()) {
      throw WrongValue(PathOf(key), *value, "null");
    }
  }
  void RequireFalse(std::string_view key) const {
    if (const auto value = Find(key); value && Flag(key, false)) {
      throw WrongValue(PathOf(key), *value, "false");
    }
  }
  void RequireNullOrEmpty(std::string_view key) const {
    const auto value = Find(key);
    if (value && !value->is_null() && As<std::string_view>(*value, PathOf(key), "null") != "") {
      throw WrongValue(PathOf(key), *value, "null");
    }
  }

 private:
  std::string path_;
  std::unordered_map<std::string_view, element> fields_;
};

bool HasType(element value, std::string_view type) {
  std::string_view found;
  return value["type"].get(found) == simdjson::SUCCESS && found == type;
}

// Whether a "ByteLevel" pre-tokenizer also splits by the GPT-2 pattern.
bool ByteLevelSplits(element value, const std::string& path) {
  if (!HasType(value, "ByteLevel")) throw WrongValue(path, value, "ByteLevel");
  const Fields fields(value, path, {"type", "add_prefix_space", "trim_offsets", "use_regex"});
  if (fields.Flag("add_prefix_space", std::nullopt)) {
    throw WrongValue(fields.PathOf("add_prefix_space"), *fields.Find("add_prefix_space"), "false");
  }
  return fields.Flag("use_regex", true);
}

std::string SplitPattern(element value, const std::string& path) {
  if (!HasType(value, "Split")) throw WrongValue(path, value, "Split");
  const Fields fields(value, path, {"type", "pattern", "behavior", "invert"});
  fields.RequireString("behavior", "Isolated");
  fields.RequireFalse("invert");
  const Fields pattern(fields.Get<element>("pattern", "an object"), fields.PathOf("pattern"),
                       {"Regex", "String"});
  if (const auto literal = pattern.Find("String")) {
    throw WrongValue(pattern.PathOf("String"), *literal, "Regex");
  }
  return std::string(pattern.Get<std::string_view>("Regex", "a string"));
}

std::string ReadPattern(const Fields& file) {
  const std::string path = file.PathOf("pre_tokenizer");
  const auto value = file.Get<element>("pre_tokenizer", "an object");
  std::vector<element> steps = {value};
  std::vector<std::string> paths = {path};
  if (HasType(value, "Sequence")) {
    const Fields sequence(value, path, {"type", "pretokenizers"});
    steps.clear();
    paths.clear();
    for (const element step : sequence.Get<array>("pretokenizers", "a list")) {
      paths.push_back(StrCat(sequence.PathOf("pretokenizers"), "[", steps.size(), "]"));
      steps.push_back(step);
    }
  }
  if (steps.size() == 1 && ByteLevelSplits(steps[0], paths[0])) return std::string(kGpt2Pattern);
  if (steps.size() != 2) {
    throw WrongValue(path, value, "Split then ByteLevel, or ByteLevel with use_regex");
  }
  std::string pattern = SplitPattern(steps[0], paths[0]);
  if (ByteLevelSplits(steps[1], paths[1])) {
    throw Error(Kind::kData, StrCat(paths[1],
                                    ".use_regex: true after Split is not supported; this "
                                    "version takes false"));
  }
  return pattern;
}

struct NamedAddedToken {
  std::string_view name;
  int32_t id;
  bool special;
};

int32_t ReadId(element value, std::string_view field) {
  const auto id = As<int64_t>(value, field, "a token id");
  if (id < 0 || id > std::numeric_limits<int32_t>::max()) {
    throw WrongValue(field, value, "a token id from 0 to 2147483647");
  }
  return static_cast<int32_t>(id);
}

std::vector<NamedAddedToken> ReadAddedTokens(const Fields& file) {
  std::vector<NamedAddedToken> tokens;
  const std::string path = file.PathOf("added_tokens");
  for (const element value : file.Get<array>("added_tokens", "a list")) {
    const Fields token(
        value, StrCat(path, "[", tokens.size(), "]"),
        {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    for (const std::string_view flag : {"single_word", "lstrip", "rstrip"}) {
      token.RequireFalse(flag);
    }
    tokens.push_back({.name = token.Get<std::string_view>("content", "a string"),
                      .id = ReadId(token.Get<element>("id", "a token id"), token.PathOf("id")),
                      .special = token.Flag("special", false)});
  }
  std::ranges::sort(tokens, {}, &NamedAddedToken::id);
  return tokens;
}

using Ids = std::unordered_map<std::string_view, int32_t>;  // by spelling

Ids ReadVocabulary(const Fields& model) {
  const std::string path = model.PathOf("vocab");
  Ids ids;
  for (const auto [spelling, value] : model.Get<object>("vocab", "an object")) {
    if (!ids.emplace(spelling, ReadId(value, path)).second) {
      throw Error(Kind::kData, StrCat(path, ": the token \"", spelling, "\" is there twice"));
    }
  }
  return ids;
}

// Spellings by id; every id from 0 on must have exactly one.
std::vector<std::string_view> OrderById(const Ids& ids, std::string_view path) {
  std::vector<std::optional<std::string_view>> by_id(ids.size());
  for (const auto& [spelling, id] : ids) {
    if (static_cast<size_t>(id) >= ids.size()) continue;
    if (by_id[id]) {
      throw Error(Kind::kData,
                  StrCat(path, ": the tokens \"", std::min(*by_id[id], spelling), "\" and \"",
                         std::max(*by_id[id], spelling), "\" both have the id ", id));
    }
    by_id[id] = spelling;
  }
  std::vector<std::string_view> spellings;
  for (const auto& spelling : by_id) {
    if (!spelling) {
      throw Error(Kind::kData,
                  StrCat(path, ": no token has the id ", spellings.size(), " although ", ids.size(),
                         " tokens are there; ids must have no gaps"));
    }
    spellings.push_back(*spelling);
  }
  return spellings;
}

std::pair<std::string_view, std::string_view> ReadMerge(element value, const std::string& path) {
  constexpr std::string_view kExpected = "\"left right\" or [\"left\", \"right\"]";
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) {
    const size_t space = text.find(' ');
    if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
      throw WrongValue(path, value, kExpected);
    }
    return {text.substr(0, space), text.substr(space + 1)};
  }
  const auto pair = As<array>(value, path, kExpected);
  if (pair.size() != 2) throw WrongValue(path, value, kExpected);
  return {As<std::string_view>(pair.at(0).value(), path, kExpected),
          As<std::string_view>(pair.at(1).value(), path, kExpected)};
}

std::vector<Merge> ReadMerges(const Fields& model, const Ids& ids) {
  std::vector<Merge> merges;
  size_t index = 0;
  for (const element value : model.Get<array>("merges", "a list")) {
    const std::string path = StrCat(model.PathOf("merges"), "[", index++, "]");
    // The first line of the older merges.txt, which the Hugging Face library skips as well.
    std::string_view text;
    if (value.get(text) == simdjson::SUCCESS && text.starts_with("#version")) continue;
    const auto [left, right] = ReadMerge(value, path);
    for (const std::string_view spelling : {left, right}) {
      if (!ids.contains(spelling)) {
        throw Error(Kind::kData, StrCat(path, ": the token \"", spelling, "\" is not in ",
                                        model.PathOf("vocab")));
      }
    }
    merges.push_back({.left = ids.at(left), .right = ids.at(right)});
  }
  return merges;
}

void CheckModelOptions(const Fields& model) {
  model.RequireNull("dropout");
  model.RequireNullOrEmpty("continuing_subword_prefix");
  model.RequireNullOrEmpty("end_of_word_suffix");
  model.RequireFalse("byte_fallback");
  model.RequireFalse("ignore_merges");
  // unk_token and fuse_unk never apply: every byte is a token.
}

TokenizerParts ReadParts(element root) {
  const Fields file(root, "",
                    {"version", "truncation", "padding", "added_tokens", "normalizer",
                     "pre_tokenizer", "post_processor", "decoder", "model"});
  file.RequireString("version", "1.0");
  file.RequireNull("truncation");
  file.RequireNull("padding");
  file.RequireNull("normalizer");
  if (const auto value = file.Find("post_processor");
      value && !value->is_null() && !HasType(*value, "ByteLevel")) {
    throw WrongValue("post_processor", *value, "null or ByteLevel");
  }
  if (const auto decoder = file.Get<element>("decoder", "ByteLevel");
      !HasType(decoder, "ByteLevel")) {
    throw WrongValue("decoder", decoder, "ByteLevel");
  }
  const auto model_value = file.Get<element>("model", "an object");
  element type;  // old files lack it
  if (model_value["type"].get(type) == simdjson::SUCCESS && !HasType(model_value, "BPE")) {
    throw WrongValue("model.type", type, "BPE");
  }
  const Fields model(
      model_value, "model",
      {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
       "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
  CheckModelOptions(model);

  TokenizerParts parts;
  parts.pattern = ReadPattern(file);
  Ids ids = ReadVocabulary(model);
  parts.merges = ReadMerges(model, ids);
  const std::vector<NamedAddedToken> added = ReadAddedTokens(file);
  for (const auto& [name, id, special] : added) {
    // Some files list added tokens in the vocabulary as well.
    const auto known = ids.emplace(name, id).first;
    if (known->second != id) {
      throw Error(Kind::kData, StrCat("added_tokens: \"", name, "\" has the id ", id,
                                      ", but the id ", known->second, " elsewhere in the file"));
    }
    if (!parts.added_tokens.empty() && parts.added_tokens.back().id == id) {
      throw Error(Kind::kData, StrCat("added_tokens: two tokens have the id ", id));
    }
    parts.added_tokens.push_back({.id = id, .special = special});
  }
  auto next_added = added.begin();
  for (const std::string_view spelling : OrderById(ids, "model.vocab and added_tokens")) {
    const auto id = static_cast<int32_t>(parts.tokens.size());
    if (next_added != added.end() && next_added->id == id) {
      parts.tokens.emplace_back(spelling);
      ++next_added;
    } else if (std::optional<std::string> bytes = BytesOfSpelling(spelling)) {
      parts.tokens.push_back(*std::move(bytes));
    } else {
      throw Error(Kind::kData,
                  StrCat("model.vocab: the token \"", spelling, "\" is not spelled in ",
                         "the byte-level alphabet; only byte-level BPE is supported"));
    }
  }
  return parts;
}

}  // namespace

Tokenizer LoadTokenizer(const std::filesystem::path& path) {
  const simdjson::padded_string text(ReadFile(path, Kind::kData));
  simdjson::dom::parser parser;
  element root;
  if (const auto error = parser.parse(text).get(root); error != simdjson::SUCCESS) {
    throw Error(Kind::kData, StrCat(path.string(), ": not valid JSON: ",
                                    simdjson::error_message(error), "; get the file again"));
  }
  try {
    return Tokenizer(ReadParts(root));
  } catch (const Error& error) {
    throw Error(error.kind(), StrCat(path.string(), ": ", error.message()));
  }
}

}  // namespace cadmus
