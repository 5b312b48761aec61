// SPDX-License-Identifier: Apache-2.0
#include <simdjson.h>

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
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
  Fields(element value, std::string path, std::span<const std::string_view> known)
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

  Fields(element value, std::string path, std::initializer_list<std::string_view> known)
      : Fields(value, std::move(path), std::span(known.begin(), known.size())) {}

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

// The steps of a value that is one step or a "Sequence" of them, each with its path.
std::vector<std::pair<element, std::string>> StepsOf(element value, const std::string& path,
                                                     std::string_view list) {
  if (!HasType(value, "Sequence")) return {{value, path}};
  const Fields sequence(value, path, {"type", list});
  std::vector<std::pair<element, std::string>> steps;
  for (const element step : sequence.Get<array>(list, "a list")) {
    steps.emplace_back(step, StrCat(sequence.PathOf(list), "[", steps.size(), "]"));
  }
  return steps;
}

// Numbers as the characters of the categories N.
std::string DigitsPattern(element value, const std::string& path) {
  const Fields fields(value, path, {"type", "individual_digits"});
  return fields.Flag("individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)";
}

std::vector<std::string> ReadPatterns(const Fields& file) {
  constexpr std::string_view kExpected =
      "Split or Digits steps, then ByteLevel; or ByteLevel with use_regex";
  const std::string path = file.PathOf("pre_tokenizer");
  const auto value = file.Get<element>("pre_tokenizer", "an object");
  const auto steps = StepsOf(value, path, "pretokenizers");
  if (steps.empty()) throw WrongValue(path, value, kExpected);
  std::vector<std::string> patterns;
  for (size_t i = 0; i + 1 < steps.size(); ++i) {
    const auto& [step, step_path] = steps[i];
    patterns.push_back(HasType(step, "Digits") ? DigitsPattern(step, step_path)
                                               : SplitPattern(step, step_path));
  }
  if (ByteLevelSplits(steps.back().first, steps.back().second)) {
    patterns.emplace_back(kGpt2Pattern);
  }
  if (patterns.empty()) throw WrongValue(path, value, kExpected);
  return patterns;
}

Normalization ReadNormalization(const Fields& file) {
  const std::optional<element> value = file.Find("normalizer");
  if (!value || value->is_null()) return Normalization::kNone;
  const auto steps = StepsOf(*value, "normalizer", "normalizers");
  for (const auto& [step, path] : steps) {
    if (!HasType(step, "NFC")) throw WrongValue(path, step, "null or NFC");
  }
  return steps.empty() ? Normalization::kNone : Normalization::kNfc;
}

struct NamedAddedToken {
  std::string_view name;
  AddedToken token;
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
    tokens.push_back(
        {.name = token.Get<std::string_view>("content", "a string"),
         .token = {.id = ReadId(token.Get<element>("id", "a token id"), token.PathOf("id")),
                   .special = token.Flag("special", false),
                   .single_word = token.Flag("single_word", false),
                   .lstrip = token.Flag("lstrip", false),
                   .rstrip = token.Flag("rstrip", false),
                   .normalized = token.Flag("normalized", false)}});
  }
  std::ranges::sort(tokens, {}, [](const NamedAddedToken& named) { return named.token.id; });
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
  // unk_token and fuse_unk never apply: every byte is a token.
}

// The ids that a piece of a template stands for; nothing for the text itself.
std::optional<std::vector<int32_t>> TemplatePiece(element value, const std::string& path,
                                                  const Fields& special_tokens,
                                                  const std::vector<NamedAddedToken>& added) {
  const Fields piece(value, path, {"SpecialToken", "Sequence"});
  if (const auto sequence = piece.Find("Sequence")) {
    const Fields fields(*sequence, piece.PathOf("Sequence"), {"id", "type_id"});
    fields.RequireString("id", "A");
    return std::nullopt;
  }
  const Fields special(piece.Get<element>("SpecialToken", "an object"),
                       piece.PathOf("SpecialToken"), {"id", "type_id"});
  const auto name = special.Get<std::string_view>("id", "a string");
  if (!special_tokens.Find(name)) {
    throw Error(Kind::kData, StrCat(special.PathOf("id"), ": the special token \"", name,
                                    "\" is not in post_processor.special_tokens"));
  }
  const Fields token(*special_tokens.Find(name), special_tokens.PathOf(name),
                     {"id", "ids", "tokens"});
  std::vector<int32_t> ids;
  for (const element id_value : token.Get<array>("ids", "a list")) {
    const int32_t id = ReadId(id_value, token.PathOf("ids"));
    if (std::ranges::find(added, id, [](const auto& named) { return named.token.id; }) ==
        added.end()) {
      throw Error(Kind::kData, StrCat(token.PathOf("ids"), ": the id ", id, " of \"", name,
                                      "\" is missing in added_tokens"));
    }
    ids.push_back(id);
  }
  return ids;
}

// "TemplateProcessing": its template for one text; that for pairs of texts is never used.
void ReadTemplate(element value, const std::string& path, const std::vector<NamedAddedToken>& added,
                  BpeParts& parts) {
  const Fields fields(value, path, {"type", "single", "pair", "special_tokens"});
  const auto names = fields.Get<element>("special_tokens", "an object");
  std::vector<std::string_view> known;
  for (const auto [name, token] : As<object>(names, fields.PathOf("special_tokens"), "an object")) {
    known.push_back(name);
  }
  const Fields special_tokens(names, fields.PathOf("special_tokens"), std::span(known));
  bool text_seen = false;
  size_t index = 0;
  for (const element piece : fields.Get<array>("single", "a list")) {
    const std::string piece_path = StrCat(fields.PathOf("single"), "[", index++, "]");
    if (const auto ids = TemplatePiece(piece, piece_path, special_tokens, added)) {
      auto& side = text_seen ? parts.suffix : parts.prefix;
      side.insert(side.end(), ids->begin(), ids->end());
    } else if (std::exchange(text_seen, true)) {
      throw WrongValue(piece_path, piece, "the text once");
    }
  }
  if (!text_seen) {
    throw Error(Kind::kData, StrCat(fields.PathOf("single"), ": the text itself is missing: {",
                                    "\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}"));
  }
}

void ReadPostProcessor(const Fields& file, const std::vector<NamedAddedToken>& added,
                       BpeParts& parts) {
  const std::optional<element> value = file.Find("post_processor");
  if (!value || value->is_null()) return;
  bool template_seen = false;
  for (const auto& [step, path] : StepsOf(*value, "post_processor", "processors")) {
    if (HasType(step, "ByteLevel")) continue;  // moves offsets only
    if (!HasType(step, "TemplateProcessing") || std::exchange(template_seen, true)) {
      throw WrongValue(path, step, "null, ByteLevel or one TemplateProcessing");
    }
    ReadTemplate(step, path, added, parts);
  }
}

BpeParts ReadParts(element root) {
  const Fields file(root, "",
                    {"version", "truncation", "padding", "added_tokens", "normalizer",
                     "pre_tokenizer", "post_processor", "decoder", "model"});
  file.RequireString("version", "1.0");
  file.RequireNull("truncation");
  file.RequireNull("padding");
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

  BpeParts parts;
  parts.normalization = ReadNormalization(file);
  parts.patterns = ReadPatterns(file);
  parts.ignore_merges = model.Flag("ignore_merges", false);
  Ids ids = ReadVocabulary(model);
  parts.merges = ReadMerges(model, ids);
  const std::vector<NamedAddedToken> added = ReadAddedTokens(file);
  ReadPostProcessor(file, added, parts);
  for (const auto& [name, token] : added) {
    // Some files list added tokens in the vocabulary as well.
    const auto known = ids.emplace(name, token.id).first;
    if (known->second != token.id) {
      throw Error(Kind::kData, StrCat("added_tokens: \"", name, "\" has the id ", token.id,
                                      ", but the id ", known->second, " elsewhere in the file"));
    }
    if (!parts.added_tokens.empty() && parts.added_tokens.back().id == token.id) {
      throw Error(Kind::kData, StrCat("added_tokens: two tokens have the id ", token.id));
    }
    parts.added_tokens.push_back(token);
  }
  auto next_added = added.begin();
  for (const std::string_view spelling : OrderById(ids, "model.vocab and added_tokens")) {
    const auto id = static_cast<int32_t>(parts.tokens.size());
    if (next_added != added.end() && next_added->token.id == id) {
      parts.tokens.emplace_back(spelling);
      ++next_added;
    } else if (spelling.empty()) {
      throw Error(Kind::kData, StrCat("model.vocab: token ", id, " is empty; remove it"));
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

BpeTokenizer LoadTokenizerJson(const std::filesystem::path& path) {
  const simdjson::padded_string text(ReadFile(path, Kind::kData));
  simdjson::dom::parser parser;
  element root;
  if (const auto error = parser.parse(text).get(root); error != simdjson::SUCCESS) {
    throw Error(Kind::kData, StrCat(path.string(), ": not valid JSON: ",
                                    simdjson::error_message(error), "; get the file again"));
  }
  try {
    return BpeTokenizer(ReadParts(root));
  } catch (const Error& error) {
    throw Error(error.kind(), StrCat(path.string(), ": ", error.message()));
  }
}

}  // namespace cadmus
