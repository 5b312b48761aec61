// SPDX-License-Identifier: Apache-2.0
// C = alpha · Aᵀ · B + beta · C of f32 with AVX-512, on the calling thread: the shape of a weight's
// gradient. Where rows of A or B lie pages apart it beats the library.
#pragma once

#include "kernels/cpu/blas.h"

namespace cadmus::cpu {

// Whether this build may use the instructions.
bool HasTransposedProduct();

// As Multiply, for products with A transposed, B not, and k > 0. An element of C is a sum of chains
// of fused multiply-adds whose ends depend on k only: its bits are the same in any tile that C is
// cut into. Requires HasTransposedProduct().
void MultiplyTransposed(const Product<float>& product);

}  // namespace cadmus::cpu
