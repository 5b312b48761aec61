// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/global_batch.h"

#include <limits>
#include <utility>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

void CheckSizes(const LoaderOptions& options) {
  const int64_t global = options.global_batch_size;
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  if (global < 1 || global > kMax || options.micro_batch_size < 1 ||
      options.micro_batch_size > kMax) {
    throw Error(Kind::kConfig, StrCat("global_batch_size = ", global, " and micro_batch_size = ",
                                      options.micro_batch_size, " must lie in [1, 2147483647]"));
  }
  CADMUS_CHECK(0 <= options.dp_index && options.dp_index < options.dp_count,
               StrCat("dp_index ", options.dp_index, " of ", options.dp_count));
  const int64_t unit = options.dp_count * options.micro_batch_size;
  if (global % unit == 0) return;
  const int64_t below = global / unit * unit;
  const std::string nearest = below == 0 ? StrCat(unit) : StrCat(below, " or ", below + unit);
  throw Error(Kind::kConfig,
              StrCat("global_batch_size = ", global, " is no multiple of ", unit, " (",
                     options.dp_count, " data-parallel ranks times micro_batch_size = ",
                     options.micro_batch_size, "); set it to ", nearest));
}

}  // namespace

StepBatch AllocateBatch(const LoaderOptions& options) {
  CheckSizes(options);
  const auto rows = static_cast<size_t>(options.micro_batch_size);
  const size_t entries = rows * static_cast<size_t>(options.sequence_length);
  const int64_t num_micro_batches =
      options.global_batch_size / (options.dp_count * options.micro_batch_size);
  StepBatch batch;
  batch.micro_batches.resize(static_cast<size_t>(num_micro_batches));
  for (MicroBatch& micro : batch.micro_batches) {
    micro.tokens_BS.resize(entries);
    micro.labels_BS.resize(entries);
    micro.positions_BS.resize(entries);
    micro.documents_BS.resize(entries);
    micro.samples_B.resize(rows);
  }
  return batch;
}

GlobalBatch::GlobalBatch(DataMix mix, const LoaderOptions& options)
    : options_(options),
      sampler_(std::move(mix), {.seed = options.seed,
                                .sequence_length = options.sequence_length,
                                .vocab_size = options.vocab_size,
                                .mask_across_documents = options.mask_across_documents}) {
  CheckSizes(options);
}

void GlobalBatch::Fill(int64_t step, StepBatch& batch) const {
  const int64_t first = step * options_.global_batch_size;
  batch.step = step;
  batch.supervised_tokens = 0;
  for (int64_t i = 0; i < options_.global_batch_size; ++i) {
    batch.supervised_tokens += sampler_.SupervisedTokens(first + i);
  }
  if (batch.supervised_tokens == 0) {
    throw Error(Kind::kData, StrCat(sampler_.name(), ": no sample of step ", step,
                                    " has a token to predict, its documents have one token each; "
                                    "join short documents or unset mask_across_documents"));
  }
  int64_t sample = first + options_.dp_index * (options_.global_batch_size / options_.dp_count);
  for (MicroBatch& micro : batch.micro_batches) {
    for (int64_t row = 0; row < options_.micro_batch_size; ++row, ++sample) {
      const int64_t at = row * options_.sequence_length;
      micro.samples_B[static_cast<size_t>(row)] = sample;
      sampler_.Fill(sample, {.tokens = micro.tokens_BS.data() + at,
                             .labels = micro.labels_BS.data() + at,
                             .positions = micro.positions_BS.data() + at,
                             .documents = micro.documents_BS.data() + at});
    }
  }
}

}  // namespace cadmus
