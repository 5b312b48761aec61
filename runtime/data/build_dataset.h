// SPDX-License-Identifier: Apache-2.0
// BuildDataset: from text to a token data set: prefix.bin, prefix.idx, prefix.meta.json.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/data/corpus_reader.h"
#include "runtime/data/data_sidecar.h"
#include "runtime/data/text_corpus.h"

namespace cadmus {

struct BuildProgress {
  int64_t file_bytes = 0;  // of the corpus on disk, whose tokens are written
  int64_t text_bytes = 0;
  int64_t num_tokens = 0;
};

struct BuildDatasetOptions {
  std::string prefix;  // of the files to write; its folder is made if missing
  // Appends the tokens of `text` to `tokens`; called by several threads at once.
  std::function<void(std::string_view text, std::vector<int32_t>& tokens)> encode;
  std::string tokenizer_hash;
  int64_t vocab_size = 0;
  int32_t end_of_text_id = 0;       // appended to each document
  std::string text_field = "text";  // of JSON lines
  int num_threads = 1;              // that encode; changes no byte of the result
  // Called now and then by the calling thread.
  std::function<void(const BuildProgress&)> on_progress = [](const BuildProgress&) {};
};

struct BuildDatasetResult {
  DataSidecar sidecar;  // as written: documents, tokens, bytes
  CorpusCounts corpus;  // what was read and skipped
};

// One pass over `corpus`. A file of text is a document, a file of JSON lines has one in each line.
// Documents of a MiB and more are encoded in parts (text_parts.h). Memory: about 16 MiB and, for
// each thread, 8 more, plus four bytes a document. Throws kData as its parts do (no text, a broken
// line, tokens outside the vocabulary, a full disk); a data set that was there before stays until
// the new one is written in full.
BuildDatasetResult BuildDataset(const TextCorpus& corpus, const BuildDatasetOptions& options);

}  // namespace cadmus
