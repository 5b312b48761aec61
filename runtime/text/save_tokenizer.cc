// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "kernels/base/file.h"
#include "runtime/text/byte_alphabet.h"
#include "runtime/text/tokenizer_json.h"

namespace cadmus {
namespace {

using Json = nlohmann::ordered_json;

Json AddedTokens(const Tokenizer& tokenizer) {
  Json added = Json::array();
  for (const auto& [id, special] : tokenizer.added_tokens()) {
    added.push_back({{"id", id},
                     {"content", tokenizer.TokenBytes(id)},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", special}});
  }
  return added;
}

Json Vocabulary(const Tokenizer& tokenizer) {
  Json::object_t vocabulary;
  auto added = tokenizer.added_tokens().begin();
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (added != tokenizer.added_tokens().end() && added->id == id) {
      ++added;
      continue;
    }
    // The vector below the ordered map: its own emplace searches all keys first.
    vocabulary.Json::object_t::Container::emplace_back(SpellBytes(tokenizer.TokenBytes(id)), id);
  }
  return vocabulary;
}

Json Merges(const Tokenizer& tokenizer) {
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

}  // namespace

void SaveTokenizer(const Tokenizer& tokenizer, const std::filesystem::path& path) {
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", tokenizer.pattern()}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  const Json file = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", AddedTokens(tokenizer)},
      {"normalizer", nullptr},
      {"pre_tokenizer",
       {{"type", "Sequence"}, {"pretokenizers", Json::array({split, ByteLevel()})}}},
      {"post_processor", nullptr},
      {"decoder", ByteLevel()},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"ignore_merges", false},
        {"vocab", Vocabulary(tokenizer)},
        {"merges", Merges(tokenizer)}}},
  };
  ReplaceFile(path, file.dump(2) + "\n", Kind::kData);
}

}  // namespace cadmus
