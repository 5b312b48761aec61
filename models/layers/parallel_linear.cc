// SPDX-License-Identifier: Apache-2.0
#include "models/layers/parallel_linear.h"

#include "runtime/parallel/tensor/token_parts.h"

namespace cadmus {

void ColumnLinear::Forward(const ConstTensorView& x_TK, const TensorView& y_TN, Stream& stream) {
  if (!parallel_.gathers_in_parts()) {
    linear_.Forward(x_TK, y_TN, stream);
    return;
  }
  EnterInParts(
      parallel_, x_TK, y_TN, TensorView(),
      [&](const ConstTensorView& x, const TensorView& y) { linear_.Forward(x, y, stream); },
      stream);
}

Tensor ColumnLinear::BackwardInput(const ConstTensorView& dy_TN, Stream& stream) {
  const MemoryCategory category = MemoryCategory::kActivationsWeight;
  const auto product = [&](const ConstTensorView& dy, const TensorView& dx) {
    linear_.BackwardInput(dy, dx, stream);
  };
  if (parallel_.overlaps()) {
    return LeaveInParts(parallel_, dy_TN, linear_.num_inputs(), category, product, stream);
  }
  Tensor dx_TK(dy_TN.dtype(), {dy_TN.dim(0), linear_.num_inputs()}, category, stream);
  product(dy_TN, dx_TK);
  return dx_TK;
}

Tensor RowLinear::Forward(const ConstTensorView& x_TK, Stream& stream) {
  const MemoryCategory category = MemoryCategory::kActivationsInput;
  const auto product = [&](const ConstTensorView& x, const TensorView& y) {
    linear_.Forward(x, y, stream);
  };
  if (parallel_.overlaps()) {
    return LeaveInParts(parallel_, x_TK, linear_.num_outputs(), category, product, stream);
  }
  Tensor y_TN(x_TK.dtype(), {x_TK.dim(0), linear_.num_outputs()}, category, stream);
  product(x_TK, y_TN);
  return y_TN;
}

Tensor RowLinear::BackwardInput(const ConstTensorView& dy_TN, const TensorView& dx_TK,
                                Stream& stream) {
  if (!parallel_.gathers_in_parts()) {
    linear_.BackwardInput(dy_TN, dx_TK, stream);
    return Tensor();
  }
  Tensor inner_TN(dy_TN.dtype(), {dx_TK.dim(0), dy_TN.dim(1)}, MemoryCategory::kActivationsWeight,
                  stream);
  EnterInParts(
      parallel_, dy_TN, dx_TK, inner_TN,
      [&](const ConstTensorView& dy, const TensorView& dx) {
        linear_.BackwardInput(dy, dx, stream);
      },
      stream);
  return inner_TN;
}

}  // namespace cadmus
