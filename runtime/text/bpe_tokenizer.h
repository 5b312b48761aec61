// SPDX-License-Identifier: Apache-2.0
// BpeTokenizer: byte-level byte-pair encoding. Any bytes round-trip (where nothing is normalised).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/text/added_tokens.h"
#include "runtime/text/bpe_merges.h"
#include "runtime/text/pre_tokenizer.h"
#include "runtime/text/tokenizer.h"

namespace cadmus {

inline constexpr std::string_view kEndOfText = "<|endoftext|>";

// Two adjacent tokens that become one.
struct Merge {
  int32_t left = 0;
  int32_t right = 0;
};

// Which pairs of tokens merge, and which pair is merged first.
enum class MergeOrder {
  kListed,     // those of BpeParts::merges; the one listed first
  kByTokenId,  // any two whose joined bytes are a token; the lowest such token
};

enum class Normalization { kNone, kNfc };

// All that a byte-level BPE tokenizer is.
struct BpeParts {
  Normalization normalization = Normalization::kNone;
  std::vector<std::string> patterns = {std::string(kDefaultPattern)};  // see PreTokenizer
  // Bytes, or name, of token i. Empty: no token has this id, which is so only above all ordinary
  // tokens.
  std::vector<std::string> tokens;
  MergeOrder merge_order = MergeOrder::kListed;
  std::vector<Merge> merges;
  bool ignore_merges = false;            // a piece that is a token is that token, without merging
  std::vector<AddedToken> added_tokens;  // ascending ids
  // What add_special_tokens puts around a text.
  std::vector<int32_t> prefix;
  std::vector<int32_t> suffix;
};

class BpeTokenizer final : public Tokenizer {
 public:
  // Every byte must be a token, every merge must join two ordinary tokens and give one, tokens and
  // names must be unique. A merge is longer than what it joins, so merges cannot go in circles.
  // Throws kData, saying what is wrong.
  explicit BpeTokenizer(BpeParts parts);

  // How Encode works: names of added tokens are cut out (see EncodeOptions; without
  // parse_added_tokens only names of white space that are not special, for such are text), the rest
  // is normalised, cut into pieces (see PreTokenizer), and in each piece the first adjacent pair in
  // the order of merges is merged, leftmost first, until none is left. O(n log n) in the longest
  // piece.

  // An id between added tokens that no token has gives nothing.
  std::string Decode(std::span<const int32_t> ids) const override;
  std::string_view TokenBytes(int32_t id) const;
  int32_t TextBytes(int32_t id) const override;

  int32_t vocab_size() const override { return static_cast<int32_t>(parts_.tokens.size()); }
  std::optional<int32_t> SpecialId(std::string_view name) const override;
  // The added token named <|endoftext|>, else <|end_of_text|>, else </s>, else DeepSeek's.
  std::optional<int32_t> end_of_text() const override { return end_of_text_; }
  const std::string& content_hash() const override { return content_hash_; }

  const BpeParts& parts() const { return parts_; }
  const std::vector<Merge>& merges() const { return parts_.merges; }

 private:
  // The matchers of one mode of EncodeOptions.
  struct Matchers {
    AddedTokenMatcher before_normalization;
    AddedTokenMatcher after_normalization;
  };

  void Append(std::string_view text, const EncodeOptions& options,
              std::vector<int32_t>& ids) const override;
  void AppendText(std::string_view text, BpeMerges::Scratch& scratch,
                  std::vector<int32_t>& ids) const;
  void IndexAddedTokens();
  void IndexTokens();
  void IndexMerges();
  void IndexMergesByTokenId();
  void IndexWholePieces();
  Matchers MakeMatchers(bool (*wanted)(const AddedToken&, std::string_view name)) const;
  bool IsOrdinary(int32_t id) const;

  BpeParts parts_;
  PreTokenizer pre_tokenizer_;
  // The keys view parts_.tokens, whose strings a move leaves in place.
  std::unordered_map<std::string_view, int32_t> added_ids_;  // by name
  TokenTable ids_;                                           // ordinary tokens
  std::optional<BpeMerges> merges_;
  // The part of ids_ that whole pieces encode to, without merging.
  TokenTable whole_pieces_;
  Matchers plain_;
  Matchers trusted_;
  std::optional<int32_t> end_of_text_;
  std::string content_hash_;
};

}  // namespace cadmus
