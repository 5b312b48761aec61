// SPDX-License-Identifier: Apache-2.0
// Dense products on raw pointers, on the calling thread alone. The one door to the vendors'
// libraries: oneDNN computes f32, OpenBLAS f64. Safe from any number of threads at once.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cpu/numeric.h"
#include "kernels/ops/gemm.h"

namespace cadmus::cpu {

// The rows of a row-major matrix; `stride` counts elements between them.
template <class T>
struct Rows {
  T* data = nullptr;
  int64_t stride = 0;

  T* row(int64_t i) const { return data + i * stride; }
  Rows From(int64_t i) const { return {row(i), stride}; }
  operator Rows<const T>() const  // NOLINT(google-explicit-constructor)
      requires(!std::is_const_v<T>) {
    return {data, stride};
  }
};

// C = alpha · op(A) · op(B) + beta · C; op(A) is [m, k], op(B) is [k, n]. A and B are given as
// stored. beta = 0 never reads C; k = 0 only scales C.
template <class In, class Out = In>
struct Product {
  Transpose transpose_a = Transpose::kNo, transpose_b = Transpose::kNo;
  int64_t m = 0, n = 0, k = 0;
  Wide<In> alpha = 1;
  Rows<const In> a, b;
  Wide<In> beta = 0;
  Rows<Out> c;
};

void Multiply(const Product<double>& product);
void Multiply(const Product<float>& product);

}  // namespace cadmus::cpu
