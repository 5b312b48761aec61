// SPDX-License-Identifier: Apache-2.0
// The boundary of a tensor-parallel region: the operators that bring activations into it and out of
// it, each beside its transpose.
//
//                            sequence parallel                 otherwise
//   EnterParallel            all-gather along tokens           identity
//   EnterParallelBackward    reduce-scatter along tokens       all-reduce
//   LeaveParallel            reduce-scatter along tokens       all-reduce
//   LeaveParallelBackward    all-gather along tokens           identity
//
// All are called by every rank of the group in the same order and run on `stream`; sums are in rank
// order. They take the tensor over and free it once it is used up; with one rank they give it back
// untouched. What they make counts as kActivationsInput going forward and, as a gradient is kept
// for the weights, kActivationsWeight going back. Letters: T tokens of the micro-batch, M model
// width; outer is [T/tp, M] with sequence parallel and [T, M] otherwise, inner is [T, M].
#pragma once

#include "kernels/device/tensor.h"
#include "runtime/parallel/tensor/tensor_parallel.h"

namespace cadmus {

// What a column-parallel product reads. x_outer is the same on all ranks where tokens are not
// split.
Tensor EnterParallel(const TensorParallel& parallel, Tensor x_outer, Stream& stream);
// dx_inner: this rank's part of the gradient, from its own columns.
Tensor EnterParallelBackward(const TensorParallel& parallel, Tensor dx_inner, Stream& stream);

// y_partial: this rank's part of a row-parallel product, [T, M].
Tensor LeaveParallel(const TensorParallel& parallel, Tensor y_partial, Stream& stream);
Tensor LeaveParallelBackward(const TensorParallel& parallel, Tensor dy_outer, Stream& stream);

// EnterParallel and LeaveParallelBackward for an outer tensor that is still needed: the gathered
// rows, or an empty Tensor where x_outer itself is what the region reads.
Tensor GatherTokens(const TensorParallel& parallel, const ConstTensorView& x_outer,
                    MemoryCategory category, Stream& stream);

}  // namespace cadmus
