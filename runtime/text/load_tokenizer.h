// SPDX-License-Identifier: Apache-2.0
// LoadTokenizer: a tokenizer from a file of any known format.
#pragma once

#include <filesystem>
#include <memory>

#include "runtime/text/tokenizer.h"

namespace cadmus {

// By the content of the file, whatever its name: a tokenizer.json starts with "{", a SentencePiece
// model with its first field, tiktoken ranks with base64. A folder stands for the tokenizer.json or
// tokenizer.model in it. Throws kData, naming the file, for anything else, for more than 128 MiB
// (the largest tokenizers of our time have 40), and as the loader of the format does.
std::unique_ptr<const Tokenizer> LoadTokenizer(const std::filesystem::path& path);

}  // namespace cadmus
