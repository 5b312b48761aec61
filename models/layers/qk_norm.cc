// SPDX-License-Identifier: Apache-2.0
#include "models/layers/qk_norm.h"

#include "kernels/ops/check.h"
#include "kernels/ops/head_norm.h"

namespace cadmus {
namespace {

Parameter NewWeight(const std::string& name, int64_t head_dim) {
  return {.name = name,
          .shape = {head_dim},
          .initial = {InitialValue::Kind::kConstant, 1},
          .weight_decay = false};
}

}  // namespace

QkNorm::QkNorm(const std::string& name, const Spec& spec)
    : spec_(spec),
      q_weight_D_(NewWeight(name + ".q_norm.weight", spec.head_dim)),
      k_weight_D_(NewWeight(name + ".k_norm.weight", spec.head_dim)) {}

void QkNorm::VisitParameters(const std::function<void(Parameter&)>& visit) {
  visit(q_weight_D_);
  visit(k_weight_D_);
}

QkNorm::Statistics QkNorm::Forward(const ConstTensorView& x_TND, const TensorView& y_TND,
                                   Stream& stream) const {
  const auto norm = [&](int64_t begin, int64_t end, const Parameter& weight_D) {
    Tensor rstd(StatisticsDType(x_TND.dtype()), {x_TND.dim(0), end - begin},
                MemoryCategory::kActivationsInput, stream);
    HeadNormForward({.x_THD = x_TND.Slice(1, begin, end),
                     .weight_D = weight_D.weight,
                     .epsilon = spec_.epsilon,
                     .y_THD = y_TND.Slice(1, begin, end),
                     .rstd_TH = rstd},
                    stream);
    return rstd;
  };
  Statistics statistics;
  statistics.q_rstd_TH = norm(0, spec_.num_heads, q_weight_D_);
  statistics.k_rstd_TK = norm(spec_.num_heads, x_TND.dim(1), k_weight_D_);
  return statistics;
}

void QkNorm::Backward(const ConstTensorView& x_TND, const Statistics& statistics,
                      const TensorView& dy_TND, BackwardContext& context) {
  const int64_t heads = spec_.num_heads, all = x_TND.dim(1);
  BackwardHeads(x_TND.Slice(1, 0, heads), statistics.q_rstd_TH, dy_TND.Slice(1, 0, heads),
                q_weight_D_, context);
  BackwardHeads(x_TND.Slice(1, heads, all), statistics.k_rstd_TK, dy_TND.Slice(1, heads, all),
                k_weight_D_, context);
}

void QkNorm::BackwardHeads(const ConstTensorView& x_THD, const ConstTensorView& rstd_TH,
                           const TensorView& dy_THD, Parameter& weight_D,
                           BackwardContext& context) {
  const Tensor workspace(
      DType::kU8,
      {HeadNormBackwardWorkspaceBytes(x_THD.dim(0), x_THD.dim(1), x_THD.dim(2), x_THD.dtype())},
      MemoryCategory::kWorkspace, context.stream);
  const GradMode mode = context.gradients.Begin(weight_D);
  HeadNormBackward({.x_THD = x_THD,
                    .weight_D = weight_D.weight,
                    .rstd_TH = rstd_TH,
                    .dy_THD = dy_THD,
                    .dx_THD = dy_THD,
                    .dweight_D = weight_D.grad,
                    .dweight_mode = mode,
                    .workspace = workspace},
                   context.stream);
  context.gradients.End(weight_D);
}

}  // namespace cadmus
