// SPDX-License-Identifier: Apache-2.0
#include "models/layers/norm.h"

#include "kernels/ops/rms_norm.h"

namespace cadmus {

void Norm::Forward(const ForwardViews& views, Stream& stream) const {
  RmsNormForward({.x_TD = views.x_TD,
                  .residual_TD = views.residual_TD,
                  .weight_D = weight_D_.weight,
                  .epsilon = epsilon_,
                  .sum_TD = views.sum_TD,
                  .y_TD = views.y_TD,
                  .rstd_T = views.rstd_T},
                 stream);
}

void Norm::Backward(const BackwardViews& views, BackwardContext& context) {
  const ConstTensorView& s_TD = views.s_TD;
  const Tensor workspace(DType::kU8,
                         {RmsNormBackwardWorkspaceBytes(s_TD.dim(0), s_TD.dim(1), s_TD.dtype())},
                         MemoryCategory::kWorkspace, context.stream);
  const GradMode mode = context.gradients.Begin(weight_D_);
  RmsNormBackward({.s_TD = s_TD,
                   .weight_D = weight_D_.weight,
                   .rstd_T = views.rstd_T,
                   .dy_TD = views.dy_TD,
                   .dsum_TD = views.dsum_TD,
                   .ds_TD = views.ds_TD,
                   .dweight_D = weight_D_.grad,
                   .dweight_mode = mode,
                   .workspace = workspace},
                  context.stream);
  context.gradients.End(weight_D_);
}

}  // namespace cadmus
