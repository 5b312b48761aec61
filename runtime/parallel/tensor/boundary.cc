// SPDX-License-Identifier: Apache-2.0
#include "runtime/parallel/tensor/boundary.h"

#include "kernels/base/error.h"

namespace cadmus {
namespace {

// The sum over the ranks of [T, M] partial tensors: all rows in place, or this rank's outer rows.
Tensor SumOverRanks(const TensorParallel& parallel, Tensor x_TM, MemoryCategory category,
                    const char* site, Stream& stream) {
  if (parallel.size() == 1) return x_TM;
  const TensorView& view = x_TM.view();
  if (!parallel.splits_sequence()) {
    parallel.ranks().AllReduce({.buffer = view, .site = site}, stream);
    return x_TM;
  }
  Shape outer_shape = view.shape();
  outer_shape[0] = parallel.OuterTokens(view.dim(0)).size();
  Tensor outer = parallel.ranks().Allocate(view.dtype(), outer_shape, category, stream);
  parallel.ranks().ReduceScatter({.input = view, .output = outer, .site = site}, stream);
  return outer;
}

Tensor Gathered(const TensorParallel& parallel, Tensor x_outer, MemoryCategory category,
                Stream& stream) {
  Tensor inner = GatherTokens(parallel, x_outer.view(), category, stream);
  return inner ? std::move(inner) : std::move(x_outer);
}

}  // namespace

Tensor EnterParallel(const TensorParallel& parallel, Tensor x_outer, Stream& stream) {
  return Gathered(parallel, std::move(x_outer), MemoryCategory::kActivationsInput, stream);
}

Tensor EnterParallelBackward(const TensorParallel& parallel, Tensor dx_inner, Stream& stream) {
  return SumOverRanks(parallel, std::move(dx_inner), MemoryCategory::kActivationsWeight,
                      "enter parallel, backward", stream);
}

Tensor LeaveParallel(const TensorParallel& parallel, Tensor y_partial, Stream& stream) {
  return SumOverRanks(parallel, std::move(y_partial), MemoryCategory::kActivationsInput,
                      "leave parallel", stream);
}

Tensor LeaveParallelBackward(const TensorParallel& parallel, Tensor dy_outer, Stream& stream) {
  return Gathered(parallel, std::move(dy_outer), MemoryCategory::kActivationsWeight, stream);
}

Tensor GatherTokens(const TensorParallel& parallel, const ConstTensorView& x_outer,
                    MemoryCategory category, Stream& stream) {
  if (!parallel.splits_sequence()) return Tensor();
  Shape inner_shape = x_outer.shape();
  inner_shape[0] *= parallel.size();
  Tensor inner = parallel.ranks().Allocate(x_outer.dtype(), inner_shape, category, stream);
  parallel.ranks().AllGather({.input = x_outer, .output = inner, .site = "gather tokens"}, stream);
  return inner;
}

}  // namespace cadmus
