// SPDX-License-Identifier: Apache-2.0
// Dense products on raw pointers, on the calling thread alone. The one door to the vendors'
// libraries: oneDNN computes f32, OpenBLAS f64. Safe from any number of threads at once.
#pragma once

#include <cstdint>

#include "kernels/ops/gemm.h"

namespace cadmus::cpu {

// C = alpha · op(A) · op(B) + beta · C, row-major; op(A) is [m, k], op(B) is [k, n]. `ld_*` are
// elements between stored rows. beta = 0 never reads C; k = 0 only scales C. T is f64 or f32.
template <class T>
struct Product {
  Transpose transpose_a = Transpose::kNo, transpose_b = Transpose::kNo;
  int64_t m = 0, n = 0, k = 0;
  T alpha = 1;
  const T* a = nullptr;
  int64_t ld_a = 0;
  const T* b = nullptr;
  int64_t ld_b = 0;
  T beta = 0;
  T* c = nullptr;
  int64_t ld_c = 0;
};

void Multiply(const Product<double>& product);
void Multiply(const Product<float>& product);

}  // namespace cadmus::cpu
