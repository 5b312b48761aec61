// SPDX-License-Identifier: Apache-2.0
// StepInputs: device memory for the micro-batches and scalars of a step, filled once per step from
// the host.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/device/tensor.h"
#include "kernels/ops/step_scalars.h"
#include "runtime/data/global_batch.h"
#include "runtime/nn/context.h"

namespace cadmus {

class StepInputs {
 public:
  struct Size {
    int num_micro_batches = 1;
    int64_t micro_batch_size = 1;  // rows
    int64_t sequence_length = 1;
    bool mask_across_documents = true;  // without, no kernel is told where documents begin
  };

  StepInputs(const Size& size, Stream& stream);

  // Copies a rank's batch and the step's scalars. `batch` must stay unchanged until `stream` has
  // passed the copies.
  void Upload(const StepBatch& batch, const StepScalars& scalars, Stream& stream);

  std::span<const MicroBatchInputs> micro_batches() const { return views_; }
  const TensorView& scalars() const { return scalars_.view(); }

 private:
  struct MicroBatchTensors {
    Tensor tokens_BS, labels_BS, positions_BS, row_samples_T;
    Tensor documents_BS;  // absent without mask_across_documents
  };

  Size size_;
  std::vector<MicroBatchTensors> tensors_;
  Tensor row_positions_T_;  // the same for all
  Tensor scalars_;
  std::vector<MicroBatchInputs> views_;
  std::vector<std::vector<int64_t>> host_row_samples_T_;  // per micro-batch
  StepScalars host_scalars_;
};

}  // namespace cadmus
