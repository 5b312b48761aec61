// SPDX-License-Identifier: Apache-2.0
#include "models/layers/norm.h"

#include "kernels/ops/check.h"
#include "kernels/ops/layer_norm.h"
#include "kernels/ops/rms_norm.h"

namespace cadmus {
namespace {

Parameter NewParameter(const std::string& name, int64_t width, double initial) {
  return {.name = name,
          .shape = {width},
          .initial = {InitialValue::Kind::kConstant, initial},
          .weight_decay = false};
}

Tensor NewStatistic(const ConstTensorView& x_TD, Stream& stream) {
  return Tensor(StatisticsDType(x_TD.dtype()), {x_TD.dim(0)}, MemoryCategory::kActivationsInput,
                stream);
}

}  // namespace

Norm::Norm(const std::string& name, const NormSpec& spec)
    : epsilon_(spec.epsilon), weight_D_(NewParameter(name + ".weight", spec.width, 1)) {
  if (spec.kind == NormKind::kLayer) bias_D_ = NewParameter(name + ".bias", spec.width, 0);
}

void Norm::VisitParameters(const std::function<void(Parameter&)>& visit) {
  visit(weight_D_);
  if (bias_D_) visit(*bias_D_);
}

NormStatistics Norm::Forward(const ForwardViews& views, Stream& stream) const {
  NormStatistics statistics = {.rstd_T = NewStatistic(views.x_TD, stream)};
  if (!bias_D_) {
    RmsNormForward({.x_TD = views.x_TD,
                    .residual_TD = views.residual_TD,
                    .weight_D = weight_D_.weight,
                    .epsilon = epsilon_,
                    .sum_TD = views.sum_TD,
                    .y_TD = views.y_TD,
                    .rstd_T = statistics.rstd_T},
                   stream);
    return statistics;
  }
  statistics.mean_T = NewStatistic(views.x_TD, stream);
  LayerNormForward({.x_TD = views.x_TD,
                    .residual_TD = views.residual_TD,
                    .weight_D = weight_D_.weight,
                    .bias_D = bias_D_->weight,
                    .epsilon = epsilon_,
                    .sum_TD = views.sum_TD,
                    .y_TD = views.y_TD,
                    .mean_T = statistics.mean_T,
                    .rstd_T = statistics.rstd_T},
                   stream);
  return statistics;
}

void Norm::Backward(const BackwardViews& views, const NormStatistics& statistics,
                    BackwardContext& context) {
  const ConstTensorView& s_TD = views.s_TD;
  const auto new_workspace = [&](int64_t num_bytes) {
    return Tensor(DType::kU8, {num_bytes}, MemoryCategory::kWorkspace, context.stream);
  };
  const GradMode weight_mode = context.gradients.Begin(weight_D_);
  if (!bias_D_) {
    const Tensor workspace =
        new_workspace(RmsNormBackwardWorkspaceBytes(s_TD.dim(0), s_TD.dim(1), s_TD.dtype()));
    RmsNormBackward({.s_TD = s_TD,
                     .weight_D = weight_D_.weight,
                     .rstd_T = statistics.rstd_T,
                     .dy_TD = views.dy_TD,
                     .dsum_TD = views.dsum_TD,
                     .ds_TD = views.ds_TD,
                     .dweight_D = weight_D_.grad,
                     .dweight_mode = weight_mode,
                     .workspace = workspace},
                    context.stream);
    context.gradients.End(weight_D_);
    return;
  }
  const GradMode bias_mode = context.gradients.Begin(*bias_D_);
  const Tensor workspace =
      new_workspace(LayerNormBackwardWorkspaceBytes(s_TD.dim(0), s_TD.dim(1), s_TD.dtype()));
  LayerNormBackward({.s_TD = s_TD,
                     .weight_D = weight_D_.weight,
                     .mean_T = statistics.mean_T,
                     .rstd_T = statistics.rstd_T,
                     .dy_TD = views.dy_TD,
                     .dsum_TD = views.dsum_TD,
                     .ds_TD = views.ds_TD,
                     .dweight_D = weight_D_.grad,
                     .dbias_D = bias_D_->grad,
                     .dweight_mode = weight_mode,
                     .dbias_mode = bias_mode,
                     .workspace = workspace},
                    context.stream);
  context.gradients.End(*bias_D_);
  context.gradients.End(weight_D_);
}

}  // namespace cadmus
