// SPDX-License-Identifier: Apache-2.0
// Rank files of tiktoken: one token a line, its bytes in base64 and its rank, which is its id.
#pragma once

#include <filesystem>

#include "runtime/text/bpe_tokenizer.h"

namespace cadmus {

// A rank file says neither how text is cut nor which special tokens there are: that is known for
// gpt2, cl100k_base (GPT-4), o200k_base (GPT-4o), llama3, llama4 and qwen (the first), each of
// which has its own number of ranks, by which the file is recognised. Ids are those of tiktoken
// (and of the Python code beside the file, where that normalises). Throws kData, naming file and
// line, for lines that are not base64 and a rank, ranks that are missing or there twice, and a
// number of ranks that no known encoding has.
BpeTokenizer LoadTiktoken(const std::filesystem::path& path);

}  // namespace cadmus
