// SPDX-License-Identifier: Apache-2.0
// Byte-level BPE tokenizers as files: Hugging Face's tokenizer.json.
#pragma once

#include <filesystem>

#include "runtime/text/bpe_tokenizer.h"

namespace cadmus {

// Reads a tokenizer.json that says what a BpeTokenizer does:
//   model: BPE, merges as "a b" or ["a", "b"], ignore_merges; no dropout, prefix, suffix or byte
//     fallback
//   normalizer: none or NFC
//   pre_tokenizer: Split (Regex, Isolated) and Digits steps, then ByteLevel without
//     add_prefix_space; ByteLevel's own GPT-2 pattern where use_regex asks for it
//   post_processor: none, ByteLevel, TemplateProcessing, or both
//   decoder: ByteLevel; truncation, padding: none
//   added_tokens: any
// Anything else is refused, for it would change ids: kData, naming file, field and value. Ids are
// those of the Hugging Face library: with parse_added_tokens by default, without as with
// encode_special_tokens where no added token is left that is not special (see BpeTokenizer). One
// difference: that library gives an added token that lies in the white space taken along by rstrip
// before it once more; here no text counts twice.
BpeTokenizer LoadTokenizerJson(const std::filesystem::path& path);

// Writes a tokenizer.json that LoadTokenizerJson reads to equal parts, replacing the file
// completely or not at all. Throws kData for one made of tiktoken ranks, which no list of merges
// says.
void SaveTokenizerJson(const BpeTokenizer& tokenizer, const std::filesystem::path& path);

}  // namespace cadmus
