// SPDX-License-Identifier: Apache-2.0
// Tokenizer: text to token ids and back, by byte-level byte-pair encoding. Any bytes round-trip.
//
//   Tokenizer tokenizer = LoadTokenizer("tokenizer.json");
//   std::vector<int32_t> ids = tokenizer.Encode("It was a dark and stormy night");
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/text/pre_tokenizer.h"

namespace cadmus {

inline constexpr std::string_view kEndOfText = "<|endoftext|>";

// Two adjacent tokens that become one.
struct Merge {
  int32_t left = 0;
  int32_t right = 0;
};

// A token with a name, which no text encodes to. `special` says that readers of decoded text should
// not see it.
struct AddedToken {
  int32_t id = 0;
  bool special = true;
};

// All that a tokenizer is.
struct TokenizerParts {
  std::string pattern = std::string(kDefaultPattern);
  std::vector<std::string> tokens;       // bytes, or name, of token i
  std::vector<Merge> merges;             // the first is applied first
  std::vector<AddedToken> added_tokens;  // ascending ids
};

// Immutable; may be used from several threads at once.
class Tokenizer {
 public:
  // Every byte must be a token, every merge must give a token, tokens and names must be unique.
  // Throws kData, saying which is not.
  explicit Tokenizer(TokenizerParts parts);

  // Cuts `text` into pieces (see PreTokenizer) and, in each, merges the adjacent pair that stands
  // first in the list of merges, leftmost first, until none is left. O(n log n) in the longest
  // piece. The names of added tokens are ordinary text here: callers put such tokens between texts
  // by id.
  std::vector<int32_t> Encode(std::string_view text) const;
  // Appends to `ids`.
  void Encode(std::string_view text, std::vector<int32_t>& ids) const;

  // The joined bytes of the tokens; an added token gives its name. May be invalid UTF-8 if the ids
  // are not those of whole text. Throws kData on an id outside the vocabulary.
  std::string Decode(std::span<const int32_t> ids) const;
  std::string_view TokenBytes(int32_t id) const;

  // Ids are 0 to vocab_size() - 1, added tokens included.
  int32_t vocab_size() const { return static_cast<int32_t>(parts_.tokens.size()); }

  // The id of an added token.
  std::optional<int32_t> SpecialId(std::string_view name) const;
  // The token that separates documents: the added token named <|endoftext|>, else <|end_of_text|>,
  // else </s>.
  std::optional<int32_t> end_of_text() const { return end_of_text_; }

  // Equal for two tokenizers if and only if their parts are: 32 hexadecimal digits. Data sets keep
  // it to refuse a foreign tokenizer.
  const std::string& content_hash() const { return content_hash_; }

  const std::string& pattern() const { return pre_tokenizer_.pattern(); }
  const std::vector<Merge>& merges() const { return parts_.merges; }
  const std::vector<AddedToken>& added_tokens() const { return parts_.added_tokens; }

 private:
  struct RankedMerge {
    uint32_t rank;
    int32_t result;
  };
  struct MergeScratch;

  void IndexAddedTokens();
  void IndexTokens();
  void IndexMerges();
  void IndexWholePieces();
  void AppendMerged(std::string_view piece, MergeScratch& scratch, std::vector<int32_t>& ids) const;

  TokenizerParts parts_;
  PreTokenizer pre_tokenizer_;
  std::array<int32_t, 256> byte_ids_;
  // The keys below view parts_.tokens, whose strings a move leaves in place.
  std::unordered_map<std::string_view, int32_t> added_ids_;  // by name
  std::unordered_map<std::string_view, int32_t> ids_;        // ordinary tokens, by bytes
  std::unordered_map<uint64_t, RankedMerge> merges_;         // by pair
  // The part of ids_ that its own merges lead to: what a whole piece encodes to, without merging.
  std::unordered_map<std::string_view, int32_t> whole_pieces_;
  std::optional<int32_t> end_of_text_;
  std::string content_hash_;
};

}  // namespace cadmus
