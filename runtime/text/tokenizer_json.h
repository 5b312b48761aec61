// SPDX-License-Identifier: Apache-2.0
// Tokenizers as files: the byte-level BPE part of Hugging Face's tokenizer.json.
#pragma once

#include <filesystem>

#include "runtime/text/tokenizer.h"

namespace cadmus {

// Reads a tokenizer.json that says exactly what a Tokenizer does:
//   model: BPE, merges as "a b" or ["a", "b"]; no dropout, prefix, suffix, byte fallback or
//     ignore_merges
//   pre_tokenizer: Split (Regex, Isolated) then ByteLevel, or ByteLevel with its own GPT-2 pattern;
//     no add_prefix_space
//   decoder: ByteLevel; post_processor: none or ByteLevel; normalizer, truncation, padding: none
//   added_tokens: any, but without single_word, lstrip and rstrip
// Anything else is refused, for it would change ids: kData, naming file, field and value.
// Ids are those of the Hugging Face library with added tokens left aside (encode_special_tokens).
Tokenizer LoadTokenizer(const std::filesystem::path& path);

// Writes a tokenizer.json that LoadTokenizer reads to equal parts, replacing the file completely or
// not at all.
void SaveTokenizer(const Tokenizer& tokenizer, const std::filesystem::path& path);

}  // namespace cadmus
