// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "runtime/text/byte_alphabet.h"
#include "runtime/text/tokenizer_json.h"

namespace cadmus {
namespace {

using Json = nlohmann::ordered_json;

Json AddedTokens(const BpeTokenizer& tokenizer) {
  Json added = Json::array();
  for (const AddedToken& token : tokenizer.parts().added_tokens) {
    added.push_back({{"id", token.id},
                     {"content", tokenizer.TokenBytes(token.id)},
                     {"single_word", token.single_word},
                     {"lstrip", token.lstrip},
                     {"rstrip", token.rstrip},
                     {"normalized", token.normalized},
                     {"special", token.special}});
  }
  return added;
}

Json Vocabulary(const BpeTokenizer& tokenizer) {
  Json::object_t vocabulary;
  const BpeParts& parts = tokenizer.parts();
  auto added = parts.added_tokens.begin();
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (added != parts.added_tokens.end() && added->id == id) {
      ++added;
      continue;
    }
    // The vector below the ordered map: its own emplace searches all keys first.
    vocabulary.Json::object_t::Container::emplace_back(SpellBytes(tokenizer.TokenBytes(id)), id);
  }
  return vocabulary;
}

Json Merges(const BpeTokenizer& tokenizer) {
  Json merges = Json::array();
  for (const auto& [left, right] : tokenizer.merges()) {
    merges.push_back(Json::array(
        {SpellBytes(tokenizer.TokenBytes(left)), SpellBytes(tokenizer.TokenBytes(right))}));
  }
  return merges;
}

Json ByteLevel() {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", false}};
}

Json PreTokenizerSteps(const BpeParts& parts) {
  Json steps = Json::array();
  for (const std::string& pattern : parts.patterns) {
    steps.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", pattern}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  }
  steps.push_back(ByteLevel());
  return steps;
}

// The template that puts the prefix and the suffix around a text, null if there is neither.
Json PostProcessor(const BpeTokenizer& tokenizer) {
  const BpeParts& parts = tokenizer.parts();
  if (parts.prefix.empty() && parts.suffix.empty()) return nullptr;
  Json special_tokens = Json::object();
  const auto special = [&](int32_t id) -> Json {
    const std::string name(tokenizer.TokenBytes(id));
    special_tokens[name] = {{"id", name}, {"ids", {id}}, {"tokens", {name}}};
    return {{"SpecialToken", {{"id", name}, {"type_id", 0}}}};
  };
  Json single = Json::array();
  for (const int32_t id : parts.prefix) single.push_back(special(id));
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  for (const int32_t id : parts.suffix) single.push_back(special(id));
  Json pair = single;
  pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", special_tokens}};
}

}  // namespace

void SaveTokenizerJson(const BpeTokenizer& tokenizer, const std::filesystem::path& path) {
  const BpeParts& parts = tokenizer.parts();
  if (parts.merge_order != MergeOrder::kListed) {
    throw Error(Kind::kData, StrCat(path.string(),
                                    ": a tokenizer read from tiktoken ranks lists no "
                                    "merges for a tokenizer.json; copy its own file instead"));
  }
  Json normalizer;
  if (parts.normalization == Normalization::kNfc) normalizer = {{"type", "NFC"}};
  const Json file = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", AddedTokens(tokenizer)},
      {"normalizer", normalizer},
      {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", PreTokenizerSteps(parts)}}},
      {"post_processor", PostProcessor(tokenizer)},
      {"decoder", ByteLevel()},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"ignore_merges", parts.ignore_merges},
        {"vocab", Vocabulary(tokenizer)},
        {"merges", Merges(tokenizer)}}},
  };
  ReplaceFile(path, file.dump(2) + "\n", Kind::kData);
}

}  // namespace cadmus
