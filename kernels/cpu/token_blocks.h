// SPDX-License-Identifier: Apache-2.0
// The second stage of sums over tokens (kernels/ops/token_blocks.h): rows of partial sums, added in
// their order, in parallel over columns.
#pragma once

#include "kernels/cpu/numeric.h"
#include "kernels/cpu/pieces.h"
#include "kernels/ops/step_scalars.h"

namespace cadmus::cpu {

// Rows of partial sums, `stride` elements apart.
template <class S>
struct PartialRows {
  const S* data = nullptr;
  int64_t num_rows = 0, stride = 0;
};

// out_D (+)= the sum of the rows. T: storage, W: of out.
template <class T, class W>
void AddRowsAs(const PartialRows<Wide<T>>& rows, GradMode mode, const TensorView& out_D,
               ThreadPool& pool) {
  using S = Wide<T>;
  constexpr int64_t kColumns = 256;
  W* const out = out_D.data<W>();
  ForPieces(pool, out_D.dim(0), kColumns, [&](int64_t begin, int64_t end) {
    S total[kColumns] = {};
    for (int64_t row = 0; row < rows.num_rows; ++row) {
      const S* const partial = rows.data + row * rows.stride + begin;
      for (int64_t d = 0; d < end - begin; ++d) total[d] += partial[d];
    }
    for (int64_t d = begin; d < end; ++d) {
      const S sum = total[d - begin];
      out[d] = static_cast<W>(mode == GradMode::kAccumulate ? S(out[d]) + sum : sum);
    }
  });
}

// The same; out has the storage type T or its statistics type.
template <class T>
void AddRows(const PartialRows<Wide<T>>& rows, GradMode mode, const TensorView& out_D,
             ThreadPool& pool) {
  if (out_D.dtype() == DTypeOf<T>) {
    AddRowsAs<T, T>(rows, mode, out_D, pool);
  } else {
    AddRowsAs<T, Wide<T>>(rows, mode, out_D, pool);
  }
}

}  // namespace cadmus::cpu
