// SPDX-License-Identifier: Apache-2.0
// BuildDataset: from a folder of text to a token data set: prefix.bin, prefix.idx,
// prefix.meta.json.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/data/data_sidecar.h"
#include "runtime/data/text_corpus.h"

namespace cadmus {

struct BuildDatasetOptions {
  std::string prefix;  // of the files to write; its folder is made if missing
  // Appends the tokens of `text` to `tokens`.
  std::function<void(std::string_view text, std::vector<int32_t>& tokens)> encode;
  std::string tokenizer_hash;
  int64_t vocab_size = 0;
  int32_t end_of_text_id = 0;  // appended to each document
};

struct BuildDatasetResult {
  DataSidecar sidecar;  // as written: documents, tokens, bytes
  CorpusCounts corpus;  // what was read and skipped
};

// One pass over `corpus`, one document in memory at a time. Throws kData as its parts do (no text,
// tokens outside the vocabulary, a full disk); a data set that was there before stays until the new
// one is written in full.
BuildDatasetResult BuildDataset(const TextCorpus& corpus, const BuildDatasetOptions& options);

}  // namespace cadmus
