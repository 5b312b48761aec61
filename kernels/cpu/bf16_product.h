// SPDX-License-Identifier: Apache-2.0
// Products of bf16 on a processor without instructions for them: blocks are widened to f32, which
// is exact, and multiplied there. On the calling thread alone.
#pragma once

#include "kernels/base/bfloat16.h"
#include "kernels/cpu/blas.h"

namespace cadmus::cpu {

// As Multiply in blas.h. The sums over k are cut into blocks, so their order depends on k only.
void Multiply(const Product<BFloat16, float>& product);

// C of bf16: everything is added up in f32, and rounded once. With `bias` (n values) that is added
// to every row.
void Multiply(const Product<BFloat16, BFloat16>& product, const BFloat16* bias);

}  // namespace cadmus::cpu
