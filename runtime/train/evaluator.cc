// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/evaluator.h"

#include <algorithm>
#include <limits>

namespace cadmus {
namespace {

constexpr int64_t kPieceElements = 3 * 4096;
constexpr size_t kSumsPerDocument = 3;

StepInputs::Size SizeOf(const StepBatch& batch, const LoaderOptions& options) {
  return {.num_micro_batches = static_cast<int>(batch.micro_batches.size()),
          .micro_batch_size = options.micro_batch_size,
          .sequence_length = options.sequence_length,
          .mask_across_documents = options.mask_across_documents};
}

}  // namespace

Evaluator::Evaluator(const Parts& parts, const Options& options)
    : parts_(parts),
      options_(options),
      inputs_(SizeOf(AllocateBatch(options.batches), options.batches), parts.compute),
      batch_(AllocateBatch(options.batches)),
      piece_(DType::kF64, {kPieceElements}, MemoryCategory::kWorkspace, parts.compute),
      ready_(parts.compute.device().NewEvent()),
      reduced_(parts.compute.device().NewEvent()),
      documents_S_(static_cast<size_t>(options.batches.sequence_length)) {
  const auto num_micro_batches = static_cast<int64_t>(batch_.micro_batches.size());
  const Shape shape = {num_micro_batches,
                       options.batches.micro_batch_size * options.batches.sequence_length};
  if (options.last_stage == LastStage::kElsewhere) return;
  losses_NT_ = Tensor(options.loss_dtype, shape, MemoryCategory::kWorkspace, parts.compute);
  host_losses_NT_.resize(static_cast<size_t>(shape.num_elements()));
  copied_losses_.resize(static_cast<size_t>(losses_NT_.view().num_bytes()));
}

EvaluationMetrics Evaluator::Run(const ValidationWindows& windows,
                                 std::span<const int32_t> bytes_of_token) {
  sums_.assign(static_cast<size_t>(windows.num_documents()) * kSumsPerDocument, 0.0);
  const int64_t batch_size = options_.batches.global_batch_size;
  const int64_t num_batches = (windows.num_windows() + batch_size - 1) / batch_size;
  for (int64_t batch = 0; batch < num_batches; ++batch) {
    FillBatch(windows, batch);
    RunBatch(batch_);
    AddLosses(windows, batch, bytes_of_token);
  }
  SumOverRanks();

  std::vector<DocumentLoss> documents;
  for (size_t i = 0; i < sums_.size(); i += kSumsPerDocument) {
    documents.push_back({.loss = sums_[i],
                         .tokens = static_cast<int64_t>(sums_[i + 1]),
                         .bytes = static_cast<int64_t>(sums_[i + 2])});
  }
  const EvaluationMetrics metrics = Summarize(documents);
  if (metrics.tokens == 0) {
    throw Error(Kind::kData,
                "no token held out for validation is to be predicted: its documents have one token "
                "each; join short documents, unset data.mask_across_documents, or name other data");
  }
  return metrics;
}

int64_t Evaluator::FirstWindow(int64_t batch, size_t micro_batch) const {
  const LoaderOptions& options = options_.batches;
  return batch * options.global_batch_size +
         options.dp_index * (options.global_batch_size / options.dp_count) +
         static_cast<int64_t>(micro_batch) * options.micro_batch_size;
}

void Evaluator::FillBatch(const ValidationWindows& windows, int64_t batch) {
  batch_.supervised_tokens = 1;  // losses are not scaled
  for (size_t i = 0; i < batch_.micro_batches.size(); ++i) {
    MicroBatch& micro = batch_.micro_batches[i];
    for (int64_t row = 0; row < options_.batches.micro_batch_size; ++row) {
      const int64_t at = row * options_.batches.sequence_length;
      windows.Fill(FirstWindow(batch, i) + row, {.tokens = micro.tokens_BS.data() + at,
                                                 .labels = micro.labels_BS.data() + at,
                                                 .positions = micro.positions_BS.data() + at,
                                                 .documents = micro.documents_BS.data() + at});
    }
  }
}

void Evaluator::RunBatch(const StepBatch& batch) {
  Stream& compute = parts_.compute;
  inputs_.Upload(batch, {}, compute);
  parts_.engine.Run({.micro_batches = inputs_.micro_batches(),
                     .scalars = inputs_.scalars(),
                     .losses_NT = losses_NT_ ? losses_NT_.view() : TensorView()});
  if (losses_NT_) {
    const TensorView& losses = losses_NT_.view();
    compute.device().CopyToHost(TensorView(copied_losses_.data(), losses.dtype(), losses.shape()),
                                losses, compute);
  }
  compute.Synchronize(compute.device().wait_limit());  // the batch may change now
  const auto widen = [&](const auto* values) {
    std::copy_n(values, host_losses_NT_.size(), host_losses_NT_.begin());
  };
  if (!losses_NT_) return;
  if (options_.loss_dtype == DType::kF64) {
    widen(reinterpret_cast<const double*>(copied_losses_.data()));
  } else {
    widen(reinterpret_cast<const float*>(copied_losses_.data()));
  }
}

// In the order of the windows. Of the tensor-parallel ranks, which all have the same, the first
// counts.
void Evaluator::AddLosses(const ValidationWindows& windows, int64_t batch,
                          std::span<const int32_t> bytes_of_token) {
  if (!losses_NT_ || parts_.groups.tp->rank() > 0) return;
  const auto length = static_cast<size_t>(options_.batches.sequence_length);
  size_t at = 0;  // in the losses
  for (size_t i = 0; i < batch_.micro_batches.size(); ++i) {
    const std::vector<int32_t>& labels = batch_.micro_batches[i].labels_BS;
    for (size_t begin = 0; begin < labels.size(); begin += length) {
      windows.FillDocuments(FirstWindow(batch, i) + static_cast<int64_t>(begin / length),
                            documents_S_);
      for (size_t s = 0; s < length; ++s, ++at) {
        const int32_t label = labels[begin + s];
        if (label < 0) continue;
        double* sums = &sums_[static_cast<size_t>(documents_S_[s]) * kSumsPerDocument];
        sums[0] += host_losses_NT_[at];
        sums[1] += 1;
        if (!bytes_of_token.empty()) sums[2] += bytes_of_token[static_cast<size_t>(label)];
      }
    }
  }
}

void Evaluator::SumOverRanks() {
  const ParallelGroups& groups = parts_.groups;
  Device& device = parts_.compute.device();
  for (size_t begin = 0; begin < sums_.size(); begin += kPieceElements) {
    const int64_t count =
        std::min<int64_t>(kPieceElements, static_cast<int64_t>(sums_.size() - begin));
    const TensorView host(sums_.data() + begin, DType::kF64, {count});
    const TensorView piece = piece_.view().Slice(0, 0, count);
    device.CopyToDevice(piece, host, parts_.compute);
    parts_.compute.Record(*ready_);
    parts_.communication.Wait(*ready_);
    for (Communicator* group :
         {groups.tp.get(), groups.dp_shard.get(), groups.dp_replicate.get(), groups.pp.get()}) {
      if (group->size() == 1) continue;
      group->AllReduce({.buffer = piece, .site = "losses of documents"}, parts_.communication);
    }
    parts_.communication.Record(*reduced_);
    parts_.compute.Wait(*reduced_);
    device.CopyToHost(host, piece, parts_.compute);
    parts_.compute.Synchronize(device.wait_limit());
  }
}

}  // namespace cadmus
