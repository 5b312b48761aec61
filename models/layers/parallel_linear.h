// SPDX-License-Identifier: Apache-2.0
// ColumnLinear and RowLinear: the two ends of a tensor-parallel region.
//
//   ColumnLinear   this rank has some of the outputs: rows of W    x → its columns of y
//   RowLinear      this rank has some of the inputs: columns of W  its columns of x → its part of
//   y,
//                                                                  to be summed over the ranks
//
// The boundary (runtime/parallel/tensor/boundary.h) is the caller's: x of a ColumnLinear and dy of
// a RowLinear arrive gathered, what the two return leaves by a sum over the ranks. Only where the
// products overlap with their collectives (TensorParallel::overlaps) do they cross it themselves:
// then these tensors are outer, and the caller's gathers and sums fall away.
// A bias of a RowLinear is added by the first rank alone, to its part, so that the sum has it once;
// every rank makes its whole gradient, from the gathered dy.
// Letters: T tokens, K inputs, N outputs, of the part that this rank holds.
#pragma once

#include "models/layers/linear.h"
#include "runtime/parallel/tensor/tensor_parallel.h"

namespace cadmus {

class ColumnLinear {
 public:
  // Both must outlive the layer.
  ColumnLinear(LinearParameters& parameters, const TensorParallel& parallel)
      : linear_(parameters), parallel_(parallel) {}

  void Forward(const ConstTensorView& x_TK, const TensorView& y_TN, Stream& stream);
  // dx_TK, to be kept until the weight-backward.
  Tensor BackwardInput(const ConstTensorView& dy_TN, Stream& stream);
  // x_TK is inner.
  void BackwardWeight(const ConstTensorView& x_TK, const ConstTensorView& dy_TN,
                      BackwardContext& context) {
    linear_.BackwardWeight(x_TK, dy_TN, context);
  }

 private:
  Linear linear_;
  const TensorParallel& parallel_;
};

class RowLinear {
 public:
  RowLinear(LinearParameters& parameters, const TensorParallel& parallel)
      : linear_(parameters,
                parallel.index() == 0 ? Linear::BiasAdded::kHere : Linear::BiasAdded::kOtherRank),
        parallel_(parallel) {}

  Tensor Forward(const ConstTensorView& x_TK, Stream& stream);
  // Returns dy as BackwardWeight wants it where it was gathered here; otherwise it is empty, and dy
  // itself serves.
  Tensor BackwardInput(const ConstTensorView& dy_TN, const TensorView& dx_TK, Stream& stream);
  // dy_TN is inner.
  void BackwardWeight(const ConstTensorView& x_TK, const ConstTensorView& dy_TN,
                      BackwardContext& context) {
    linear_.BackwardWeight(x_TK, dy_TN, context);
  }

 private:
  Linear linear_;
  const TensorParallel& parallel_;
};

}  // namespace cadmus
