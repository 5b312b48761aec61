// SPDX-License-Identifier: Apache-2.0
// The gradient of a bias that is added to every row: dbias (+)= Σ_t dy[t]. Forward, a bias is
// Gemm's epilogue, or, where a product is summed over ranks first, Dropout's bias.
//
// Letters: T tokens, N columns. Deterministic: summed over token blocks (token_blocks.h).
#pragma once

#include "kernels/device/device.h"
#include "kernels/device/trace.h"
#include "kernels/ops/step_scalars.h"

namespace cadmus {

struct BiasGradientArgs {
  static constexpr const char* kName = "BiasGradient";
  ConstTensorView dy_TN;
  TensorView dbias_N;  // statistics dtype or the storage type
  GradMode mode = GradMode::kOverwrite;
  TensorView workspace;  // U8, at least BiasGradientWorkspaceBytes

  template <class V>
  void Visit(V& v) const {
    v.Read("dy", dy_TN);
    VisitGradient(v, "dbias", dbias_N, mode);
    v.ReadWrite("workspace", workspace);
  }
};

int64_t BiasGradientWorkspaceBytes(int64_t num_tokens, int64_t width, DType dtype);
void BiasGradient(const BiasGradientArgs& args, Stream& stream);
OpCost Cost(const BiasGradientArgs& args);

}  // namespace cadmus
