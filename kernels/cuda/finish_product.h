// SPDX-License-Identifier: Apache-2.0
// FinishProduct: what the vendor's library leaves of a gemm: an empty sum over k, and a bias that
// it does not add: that of f64 products, and of another dtype than C's.
#pragma once

#include "kernels/device/device.h"

namespace cadmus::cuda {

struct ProductRest {
  TensorView c;            // [batch, m, n] or [m, n]
  ConstTensorView bias_N;  // absent: no bias; of the dtype of C, or narrower
  bool clears = false;     // c starts as 0 instead of as what it is
};

void FinishProduct(const ProductRest& rest, Stream& stream);

}  // namespace cadmus::cuda
