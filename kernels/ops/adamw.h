// SPDX-License-Identifier: Apache-2.0
// AdamW with decoupled weight decay on master weights.
//
//   g = grad · scalars.clip_factor;  m ← β1 m + (1-β1) g;  v ← β2 v + (1-β2) g²
//   master ← master (1 - lr · decay) - lr · (m / (1-β1^t)) / (sqrt(v / (1-β2^t)) + epsilon)
//   weight ← master, rounded
//
// t = scalars.step (from 1), lr = scalars.learning_rate. Evaluated in the optimizer's dtype in this
// order, each rounded, coefficients in parentheses once in f64:
//
//   m ← β1 m + (1-β1) g;   v ← β2 v + ((1-β2) g) g
//   u = m / (sqrt(v) / (sqrt(1-β2^t)) + epsilon)
//   master ← master (1 - lr · decay) - (lr / (1-β1^t)) u
//
// Source: Loshchilov & Hutter, 1711.05101, algorithm 2. Letter: N elements.
#pragma once

#include "kernels/device/device.h"
#include "kernels/device/trace.h"
#include "kernels/ops/step_scalars.h"

namespace cadmus {

struct AdamWArgs {
  static constexpr const char* kName = "AdamW";
  ConstTensorView scalars;  // U8[kStepScalarsBytes]
  ConstTensorView grad_N;   // any float
  TensorView master_N;      // F64 or F32: the dtype of the optimizer
  TensorView m_N, v_N;      // dtype of the optimizer
  TensorView weight_N;      // any float; absent: the master is the weight
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weight_decay = 0;

  template <class V>
  void Visit(V& v) const {
    v.Read("scalars", scalars);
    v.Read("grad", grad_N);
    v.ReadWrite("master", master_N);
    v.ReadWrite("m", m_N);
    v.ReadWrite("v", v_N);
    v.Write("weight", weight_N);
  }
};

void AdamW(const AdamWArgs& args, Stream& stream);
OpCost Cost(const AdamWArgs& args);

}  // namespace cadmus
