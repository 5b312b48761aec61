// SPDX-License-Identifier: Apache-2.0
// The boundary of a tensor-parallel region crossed in parts of the tokens, so that the collective
// of one part runs beside the matrix product of another: instead of an operator of boundary.h and a
// product, where TensorParallel::overlaps().
//
//   EnterInParts   product(EnterParallel(x)), product(LeaveParallelBackward(x))
//   LeaveInParts   LeaveParallel(product(x)), EnterParallelBackward(product(x))
//
// Part p of P is rows [R·p/P, R·(p+1)/P) of each rank's R outer rows: one stretch for each rank in
// the inner tensor; without sequence parallel, these rows of all R = T. Sums over ranks are in rank
// order per element for any part, so the result differs from the one in one piece only where the
// product's kernel gives a row other bits when it stands among fewer rows: at most 2·K·ε·Σ|x·w| per
// element, K the length of its sums. The caller's stream has joined the collectives on return.
// Source: Wang et al., ASPLOS 2023, doi 10.1145/3567955.3567959.
// Letters: T tokens, K inputs, N outputs of the product.
#pragma once

#include <functional>

#include "kernels/device/tensor.h"
#include "runtime/parallel/tensor/tensor_parallel.h"

namespace cadmus {

// y = x W on the caller's stream, [stretches, rows, …] of both (see Linear).
using RowsProduct = std::function<void(const ConstTensorView& x, const TensorView& y)>;

// y_TN = product of the gathered x, which is also written to x_TK if that is there. Requires
// gathers_in_parts().
void EnterInParts(const TensorParallel& parallel, const ConstTensorView& x_outer,
                  const TensorView& y_TN, const TensorView& x_TK, const RowsProduct& product,
                  Stream& stream);

// The sum over the ranks of product(x_TK), outer, of `category`.
Tensor LeaveInParts(const TensorParallel& parallel, const ConstTensorView& x_TK,
                    int64_t num_outputs, MemoryCategory category, const RowsProduct& product,
                    Stream& stream);

}  // namespace cadmus
