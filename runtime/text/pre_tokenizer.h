// SPDX-License-Identifier: Apache-2.0
// PreTokenizer: cuts text into the pieces that byte-pair merges never cross, by regular
// expressions.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cadmus {

// Words with the space or sign before them, numbers of up to three digits, runs of signs, line
// ends, spaces: the pattern of GPT-4 and Llama 3, in the spelling that both PCRE2 and the Hugging
// Face library read.
inline constexpr std::string_view kDefaultPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// The pattern of GPT-2, which a Hugging Face "ByteLevel" pre-tokenizer applies by default.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

class PreTokenizer {
 public:
  // Each pattern cuts the pieces of the one before. A pattern is a PCRE2 expression over Unicode
  // characters; \s is the Unicode property White_Space. Throws kData if one does not compile or can
  // match the empty text.
  explicit PreTokenizer(std::vector<std::string> patterns);
  explicit PreTokenizer(std::string pattern);
  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;
  ~PreTokenizer();

  // Calls `visit` with the pieces of `text` in order; joined, they are `text`, byte for byte. The
  // patterns are applied to each maximal run of valid UTF-8 by itself (an invalid byte ends the
  // text for look-around); the matches of a pattern, and what lies between them, are pieces. Each
  // byte that is not part of valid UTF-8 is a piece of its own. May be called from several threads
  // at once. Throws kData if a pattern needs more backtracking than PCRE2 allows.
  void ForEachPiece(std::string_view text,
                    const std::function<void(std::string_view)>& visit) const;

 private:
  class Splitter;

  std::vector<Splitter> splitters_;
};

}  // namespace cadmus
