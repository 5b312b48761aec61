// SPDX-License-Identifier: Apache-2.0
// Softmax cross-entropy over the vocabulary; the gradient is written over the logits, so no second
// buffer of their size ever exists.
//
//   loss[t] = logsumexp(logits[t]) - logits[t, label[t]]
//   logits[t, v] ← (softmax(logits[t])[v] - [v = label[t]]) · scalars.loss_scale
//
// Where label[t] < 0 (not supervised) both are 0. The logits are read in f32 or wider with the
// row's maximum subtracted; a NaN or +∞ among them gives a NaN loss. Labels come validated from the
// host: one that is ≥ V is a failed check before anything is written. Letters: T tokens, V
// vocabulary.
#pragma once

#include "kernels/device/device.h"
#include "kernels/device/trace.h"
#include "kernels/ops/step_scalars.h"

namespace cadmus {

enum class LogitGradient : uint8_t { kWriteOverLogits, kNone };

struct CrossEntropyArgs {
  static constexpr const char* kName = "CrossEntropy";
  TensorView logits_TV;
  ConstTensorView labels_T;  // I32 in [0, V), or negative
  ConstTensorView scalars;   // U8[kStepScalarsBytes]; absent with kNone
  TensorView loss_T;         // statistics dtype, unscaled
  LogitGradient gradient = LogitGradient::kWriteOverLogits;

  template <class V>
  void Visit(V& v) const {
    if (gradient == LogitGradient::kWriteOverLogits) {
      v.ReadWrite("logits", logits_TV);
    } else {
      v.Read("logits", logits_TV);
    }
    v.Read("labels", labels_T);
    v.Read("scalars", scalars);
    v.Write("loss", loss_T);
  }
};

void CrossEntropy(const CrossEntropyArgs& args, Stream& stream);
OpCost Cost(const CrossEntropyArgs& args);

}  // namespace cadmus
