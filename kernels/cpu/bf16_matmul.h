// SPDX-License-Identifier: Apache-2.0
// Bf16Matmul: oneDNN's own product of bf16 for one shape, made in set-up. Fast where the processor
// has AVX512-BF16 or AMX; emulated on other AVX-512, which the tests use; refused below.
#pragma once

#include <memory>

#include "kernels/base/bfloat16.h"
#include "kernels/cpu/blas.h"

namespace cadmus::cpu {

struct Bf16MatmulShape {
  Transpose transpose_a = Transpose::kNo, transpose_b = Transpose::kNo;
  int64_t m = 0, n = 0, k = 0;  // positive
  int64_t row_stride_a = 0, row_stride_b = 0, row_stride_c = 0;
  DType output = DType::kBF16;  // or kF32
  GradMode mode = GradMode::kOverwrite;
  bool has_bias = false;
};

class Bf16Matmul {
 public:
  // Throws kInternal where oneDNN has no such product for this processor.
  explicit Bf16Matmul(const Bf16MatmulShape& shape);
  Bf16Matmul(Bf16Matmul&&) noexcept;
  Bf16Matmul& operator=(Bf16Matmul&&) noexcept;
  ~Bf16Matmul();

  // C = op(A) · op(B) (+ C) (+ bias), rounded once, on the calling thread; from any number of
  // threads at once. `c` points to elements of shape.output.
  void Run(const BFloat16* a, const BFloat16* b, const BFloat16* bias, void* c) const;

 private:
  struct Primitive;
  std::unique_ptr<Primitive> primitive_;
};

}  // namespace cadmus::cpu
