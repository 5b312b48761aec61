// SPDX-License-Identifier: Apache-2.0
// Norm: RMSNorm with its weight, and the workspace that its backward needs.
// Letters: T tokens, D width.
#pragma once

#include "kernels/device/tensor.h"
#include "runtime/nn/context.h"
#include "runtime/nn/parameter.h"

namespace cadmus {

class Norm {
 public:
  Norm(std::string name, int64_t width, double epsilon)
      : weight_D_{.name = name + ".weight",
                  .shape = {width},
                  .initial = {InitialValue::Kind::kConstant, 1.0},
                  .weight_decay = false},
        epsilon_(epsilon) {}

  Parameter& weight() { return weight_D_; }

  // y = norm(x), or with a residual: sum = x + residual, y = norm(sum). See RmsNormForwardArgs for
  // aliasing.
  struct ForwardViews {
    ConstTensorView x_TD, residual_TD;
    TensorView sum_TD, y_TD, rstd_T;
  };
  void Forward(const ForwardViews& views, Stream& stream) const;

  // ds = gradient through the norm (+ dsum); the weight's gradient is added here, not in the weight
  // pass: it is small, and waiting for it would keep s and dy alive.
  struct BackwardViews {
    ConstTensorView s_TD, rstd_T, dy_TD, dsum_TD;
    TensorView ds_TD;
  };
  void Backward(const BackwardViews& views, BackwardContext& context);

 private:
  Parameter weight_D_;
  double epsilon_;
};

}  // namespace cadmus
