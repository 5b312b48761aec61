// SPDX-License-Identifier: Apache-2.0
// SentencePiece models (`tokenizer.model` of Llama 2, Mistral and others), by the library of that
// name.
#pragma once

#include <filesystem>
#include <memory>

#include "runtime/text/tokenizer.h"

namespace cadmus {

// Ids are the library's. The model normalises text its own way, so decoding need not give the very
// bytes back; bytes that are not UTF-8 become U+FFFD. Special tokens are the control and unknown
// pieces; end_of_text is the model's end of sentence. add_special_tokens puts its begin of sentence
// before a text where it has one; parse_added_tokens is refused with kConfig: such models give
// control pieces by id only. Throws kData, naming the file, for one that the library does not take.
std::unique_ptr<const Tokenizer> LoadSentencePiece(const std::filesystem::path& path);

}  // namespace cadmus
