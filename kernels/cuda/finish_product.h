// SPDX-License-Identifier: Apache-2.0
// FinishProduct: what the vendor's library leaves of a gemm: an empty sum over k, and the bias of
// f64 products.
#pragma once

#include "kernels/device/device.h"

namespace cadmus::cuda {

struct ProductRest {
  TensorView c;            // [batch, m, n] or [m, n]
  ConstTensorView bias_N;  // absent: no bias
  bool clears = false;     // c starts as 0 instead of as what it is
};

void FinishProduct(const ProductRest& rest, Stream& stream);

}  // namespace cadmus::cuda
