// SPDX-License-Identifier: Apache-2.0
// VerifyDataset: whether a data set is what it was written as: every fault of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cadmus {

struct DatasetReport {
  std::vector<std::string> faults;  // each names its file; empty: good
  std::vector<std::string> notes;   // what could not be checked, and why
  int64_t num_documents = 0;        // of a Megatron data set that can be opened
  int64_t num_tokens = 0;
};

// Of the tokenizer that should have encoded it.
struct ExpectedTokenizer {
  std::string hash;
  int64_t vocab_size = 0;
};

// Reads everything. A Megatron data set: that the index is whole, its documents follow each other
// and take all of the tokens; the checksums, counts and the tokenizer of the sidecar; that every
// token lies in the vocabulary and each document ends with the end-of-text token. Token files of
// llm.c: headers, sizes and that every token lies in the vocabulary of their form. Throws nothing
// but what a failing disk does.
DatasetReport VerifyDataset(const std::string& path,
                            const std::optional<ExpectedTokenizer>& tokenizer);

}  // namespace cadmus
