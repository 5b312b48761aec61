// SPDX-License-Identifier: Apache-2.0
// ValidationWindows: held-out tokens as windows of S + 1 tokens, one behind the other, so that each
// token but the first is predicted once; and which document each of them belongs to.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/data/data_mix.h"
#include "runtime/data/window_sampler.h"

namespace cadmus {

struct ValidationOptions {
  int64_t sequence_length = 0;        // S
  int64_t vocab_size = 0;             // every token must lie below it
  bool mask_across_documents = true;  // see WindowOptions
  // Of all parts together, each from its beginning, in proportion to its own; 0: all.
  int64_t max_windows = 0;
};

class ValidationWindows {
 public:
  // Windows of different parts share no token; the weights of the mix do not matter. Reads the
  // index of documents, or where they are marked in the tokens, as far as the windows go. Throws
  // kConfig as WindowSampler does, kData if there is no token to predict.
  ValidationWindows(DataMix mix, const ValidationOptions& options);

  int64_t num_windows() const { return num_windows_; }
  // Of documents with a token in the windows; the first of a part may lack its beginning.
  int64_t num_documents() const { return num_documents_; }

  // Fills a row of S entries. The last window of a part may have fewer tokens than S + 1: then the
  // row ends in entries without a label; and a window >= num_windows() has no label at all.
  // Throws kData if a token lies outside the vocabulary.
  void Fill(int64_t window, const SampleRow& row) const;

  // The document, in [0, num_documents()), that each of the S labels of the window belongs to; -1
  // behind the end of the part.
  void FillDocuments(int64_t window, std::span<int64_t> documents_S) const;

 private:
  struct Part {
    DataPart tokens;
    int64_t first_window = 0, num_windows = 0;
    int64_t first_document = 0;
    std::vector<int64_t> later_documents;  // where they begin, behind the part's first token
  };

  const Part& PartOf(int64_t window) const;
  // The first token of a window, and how many labels it has.
  int64_t BeginOf(const Part& part, int64_t window) const;
  int64_t NumLabels(const Part& part, int64_t window) const;

  DataMix mix_;  // keeps the data sets
  ValidationOptions options_;
  std::vector<Part> parts_;
  int64_t num_windows_ = 0, num_documents_ = 0;
};

}  // namespace cadmus
