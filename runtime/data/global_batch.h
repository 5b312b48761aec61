// SPDX-License-Identifier: Apache-2.0
// GlobalBatch: which samples each step trains on, and their rows for one data-parallel rank. Step k
// uses samples [k G, (k + 1) G) of the run; the batch is formed globally, then split by rank.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/data/mixed_sampler.h"

namespace cadmus {

struct LoaderOptions {
  uint64_t seed = 0;
  int64_t sequence_length = 0;    // S
  int64_t global_batch_size = 0;  // G, in samples
  int64_t micro_batch_size = 0;   // B, in samples
  int64_t dp_index = 0;           // of this rank among dp_count
  int64_t dp_count = 1;
  int64_t vocab_size = 0;             // every token must lie below it
  bool mask_across_documents = true;  // see WindowOptions
};

// One micro-batch; rows of S entries follow each other. The arrays are those of SampleRow.
struct MicroBatch {
  std::vector<int32_t> tokens_BS;
  std::vector<int32_t> labels_BS;
  std::vector<int32_t> positions_BS;
  std::vector<int32_t> documents_BS;
  std::vector<int64_t> samples_B;  // the global number of each row's sample
};

struct StepBatch {
  int64_t step = 0;
  int64_t supervised_tokens = 0;  // labels >= 0 of the global batch, not of this rank
  std::vector<MicroBatch> micro_batches;
};

// A batch of the sizes that a rank reads per step, all zero. Throws kConfig, naming the nearest
// valid sizes, unless dp_count * B divides G.
StepBatch AllocateBatch(const LoaderOptions& options);

class GlobalBatch {
 public:
  // Throws as AllocateBatch and MixedSampler do.
  GlobalBatch(DataMix mix, const LoaderOptions& options);
  GlobalBatch(std::shared_ptr<const TokenData> data, const LoaderOptions& options)
      : GlobalBatch(DataMix{WholeOf(std::move(data))}, options) {}

  const LoaderOptions& options() const { return options_; }
  const MixedSampler& sampler() const { return sampler_; }

  // A batch of the right size for Fill.
  StepBatch Allocate() const { return AllocateBatch(options_); }

  // Fills the rows of rank r = dp_index: samples k G + [r G / dp_count, (r + 1) G / dp_count), as
  // G / (dp_count B) micro-batches. Allocates nothing. Throws kData if a token is outside the
  // vocabulary or no label of the global batch is supervised.
  void Fill(int64_t step, StepBatch& batch) const;

 private:
  LoaderOptions options_;
  MixedSampler sampler_;
};

}  // namespace cadmus
