// SPDX-License-Identifier: Apache-2.0
// WindowSampler: pre-training samples. Sample g of a run is a window of S+1 tokens of the
// concatenated documents; each epoch visits every window once, in its own pseudo-random order.
#pragma once

#include <cstdint>

#include "runtime/data/token_data.h"

namespace cadmus {

struct WindowOptions {
  uint64_t seed = 0;
  int64_t sequence_length = 0;  // S
  int64_t vocab_size = 0;       // every token must lie below it
  // True: positions and document ids restart at documents and no token predicts the beginning of
  // the next document. False: a window is one document without masks.
  bool mask_across_documents = true;
  // The tokens that windows are cut from: of all of the data set by default.
  int64_t first_token = 0;
  int64_t num_tokens = -1;
};

// One sample, as four arrays of S entries each.
struct SampleRow {
  int32_t* tokens;
  int32_t* labels;     // the next token; -1 where there is nothing to predict
  int32_t* positions;  // 0, 1, ... from the beginning of the window and of each document
  int32_t* documents;  // 0, 1, ... in the order of the window
};

class WindowSampler {
 public:
  // `data` must outlive the sampler. Throws kConfig if S < 1, kData if it has fewer than S+1
  // tokens.
  WindowSampler(const TokenData& data, const WindowOptions& options);

  // floor((tokens - 1) / S); windows share no label.
  int64_t windows_per_epoch() const { return windows_per_epoch_; }

  // The first token of sample g >= 0: first_token and S times item g mod windows of epoch floor(g /
  // windows).
  int64_t WindowBegin(int64_t g) const;

  // The number of labels >= 0 of sample g, found in the index of documents without reading tokens.
  int64_t SupervisedTokens(int64_t g) const;

  // Throws kData if a token lies outside the vocabulary.
  void Fill(int64_t g, const SampleRow& row) const { FillFrom(WindowBegin(g), row); }

  // The window that begins at token `begin`, which S more follow.
  void FillFrom(int64_t begin, const SampleRow& row) const;

 private:
  void CheckToken(int32_t token, int64_t at) const;

  const TokenData& data_;
  WindowOptions options_;
  int64_t windows_per_epoch_;
};

}  // namespace cadmus
