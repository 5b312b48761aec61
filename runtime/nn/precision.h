// SPDX-License-Identifier: Apache-2.0
// Precision: the dtype of everything that a training step holds or computes.
#pragma once

#include "kernels/base/dtype.h"

namespace cadmus {

struct Precision {
  DType parameters = DType::kF32;
  DType compute = DType::kF32;     // activations and products
  DType statistics = DType::kF32;  // norms, softmax, log-sum-exp, RoPE tables
  DType gradients = DType::kF32;   // accumulation over micro-batches, and reduction over ranks
  DType master = DType::kF32;      // the weights that the optimizer updates
  DType optimizer_state = DType::kF32;

  static Precision All(DType dtype) { return {dtype, dtype, dtype, dtype, dtype, dtype}; }
  // bf16 where the volume is; whatever is summed up or kept from step to step in f32.
  static Precision Bf16() { return {.parameters = DType::kBF16, .compute = DType::kBF16}; }
};

}  // namespace cadmus
