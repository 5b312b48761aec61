// SPDX-License-Identifier: Apache-2.0
// Norm: RMSNorm or LayerNorm with its parameters, and the workspace that its backward needs.
// Letters: T tokens, D width.
#pragma once

#include <optional>

#include "kernels/device/tensor.h"
#include "models/layers/variants.h"
#include "runtime/nn/context.h"
#include "runtime/nn/parameter.h"

namespace cadmus {

struct NormSpec {
  NormKind kind = NormKind::kRms;
  int64_t width = 0;
  double epsilon = 1e-5;
};

// Of each row, as the backward pass needs them.
struct NormStatistics {
  Tensor rstd_T;
  Tensor mean_T;  // of kLayer
};

class Norm {
 public:
  Norm(const std::string& name, const NormSpec& spec);

  void VisitParameters(const std::function<void(Parameter&)>& visit);

  // y = norm(x), or with a residual: sum = x + residual, y = norm(sum). See RmsNormForwardArgs for
  // aliasing.
  struct ForwardViews {
    ConstTensorView x_TD, residual_TD;
    TensorView sum_TD, y_TD;
  };
  NormStatistics Forward(const ForwardViews& views, Stream& stream) const;

  // ds = gradient through the norm (+ dsum); the parameters' gradients are added here, not in the
  // weight pass: they are small, and waiting for it would keep s and dy alive.
  struct BackwardViews {
    ConstTensorView s_TD, dy_TD, dsum_TD;
    TensorView ds_TD;
  };
  void Backward(const BackwardViews& views, const NormStatistics& statistics,
                BackwardContext& context);

 private:
  double epsilon_;
  Parameter weight_D_;
  std::optional<Parameter> bias_D_;  // of kLayer
};

}  // namespace cadmus
