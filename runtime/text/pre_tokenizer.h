// SPDX-License-Identifier: Apache-2.0
// PreTokenizer: cuts text into the pieces that byte-pair merges never cross, by a regular
// expression.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

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
  // `pattern` is a PCRE2 expression over Unicode characters; \s is the Unicode property
  // White_Space. Throws kData if it does not compile or can match the empty text.
  explicit PreTokenizer(std::string pattern);
  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;
  ~PreTokenizer();

  const std::string& pattern() const { return pattern_; }

  // Calls `visit` with the pieces of `text` in order; joined, they are `text`, byte for byte. The
  // pattern is applied to each maximal run of valid UTF-8 by itself (an invalid byte ends the text
  // for look-around); its matches, and what lies between them, are pieces. Each byte that is not
  // part of valid UTF-8 is a piece of its own. May be called from several threads at once. Throws
  // kData if the pattern needs more backtracking than PCRE2 allows.
  void ForEachPiece(std::string_view text,
                    const std::function<void(std::string_view)>& visit) const;

 private:
  struct Compiled;

  std::string pattern_;
  std::unique_ptr<const Compiled> compiled_;
};

}  // namespace cadmus
