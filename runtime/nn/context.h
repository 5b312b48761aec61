// SPDX-License-Identifier: Apache-2.0
// What a pass through a model carries besides its activations: the micro-batch's inputs, the step's
// scalars, the mode, and, for inference, the KV cache.
#pragma once

#include "kernels/base/tensor_view.h"
#include "kernels/device/stream.h"
#include "kernels/ops/step_scalars.h"
#include "runtime/nn/kv_cache.h"
#include "runtime/nn/parameter.h"

namespace cadmus {

// Device views of one micro-batch. Letters: B rows, S tokens per row, T = B·S.
struct MicroBatchInputs {
  ConstTensorView tokens_BS;        // I32
  ConstTensorView labels_BS;        // I32, negative: not supervised
  ConstTensorView positions_BS;     // I32, restart at documents
  ConstTensorView documents_BS;     // I32, non-decreasing along a row; absent: one a row
  ConstTensorView row_samples_T;    // I64, global sample of each token; for dropout
  ConstTensorView row_positions_T;  // I32, index in the sample; for dropout
};

enum class Mode {
  kTraining,         // saves what backward needs
  kTrainingUnsaved,  // the same numbers; saves nothing: backward will run the pass again
  kEvaluation,       // the loss of every token, without dropout; saves nothing
  kInference,        // saves nothing; appends to the cache if there is one
};

struct ForwardContext {
  Stream& stream;
  Mode mode = Mode::kTraining;
  MicroBatchInputs inputs;
  ConstTensorView scalars;   // U8[kStepScalarsBytes]; absent in inference
  KvCache* cache = nullptr;  // inference only
  TensorView loss_sum;   // F64[1]; the unscaled losses of the micro-batch are added; training only
  TensorView logits_BV;  // inference only: receives the last position's logits of each row
  // Evaluation only: receives each token's unscaled loss, 0 where it is not supervised; statistics
  // dtype.
  TensorView loss_T;

  bool saves() const { return mode == Mode::kTraining; }
  bool infers() const { return mode == Mode::kInference; }
  bool drops_out() const { return mode == Mode::kTraining || mode == Mode::kTrainingUnsaved; }
};

struct BackwardContext {
  Stream& stream;
  MicroBatchInputs inputs;
  ConstTensorView scalars;
  GradientSink& gradients;
};

}  // namespace cadmus
