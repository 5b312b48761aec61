// SPDX-License-Identifier: Apache-2.0
#include "models/layers/linear.h"

#include "kernels/device/tensor.h"
#include "kernels/ops/bias_gradient.h"

namespace cadmus {

LinearParameters::LinearParameters(const std::string& name, const LinearSpec& spec)
    : weight_NK{.name = name + ".weight",
                .shape = {spec.num_outputs, spec.num_inputs},
                .initial = {InitialValue::Kind::kNormal, spec.initial_std}} {
  if (!spec.has_bias) return;
  bias_N = Parameter{.name = name + ".bias",
                     .shape = {spec.num_outputs},
                     .initial = {InitialValue::Kind::kConstant, 0},
                     .weight_decay = false};
}

void LinearParameters::VisitParameters(const std::function<void(Parameter&)>& visit) {
  visit(weight_NK);
  if (bias_N) visit(*bias_N);
}

void Linear::Forward(const ConstTensorView& x_TK, const TensorView& y_TN, Stream& stream) {
  MultiplyRows(Product::kForward, x_TK, y_TN, stream);
}

void Linear::BackwardInput(const ConstTensorView& dy_TN, const TensorView& dx_TK, Stream& stream) {
  MultiplyRows(Product::kBackwardInput, dy_TN, dx_TK, stream);
}

void Linear::BackwardWeight(const ConstTensorView& x_TK, const ConstTensorView& dy_TN,
                            BackwardContext& context) {
  const GradMode mode = context.gradients.Begin(weight_NK_);
  const Product product = mode == GradMode::kOverwrite ? Product::kBackwardWeightOverwrite
                                                       : Product::kBackwardWeightAccumulate;
  Run(PlanFor(product, 1, x_TK.dim(0), x_TK.dtype(), context.stream), dy_TN, x_TK, weight_NK_.grad,
      context.stream);
  context.gradients.End(weight_NK_);
  if (bias_N_ != nullptr) AddToBias(dy_TN, context);
}

void Linear::AddToBias(const ConstTensorView& dy_TN, BackwardContext& context) {
  const Tensor workspace(DType::kU8,
                         {BiasGradientWorkspaceBytes(dy_TN.dim(0), dy_TN.dim(1), dy_TN.dtype())},
                         MemoryCategory::kWorkspace, context.stream);
  const GradMode mode = context.gradients.Begin(*bias_N_);
  BiasGradient({.dy_TN = dy_TN, .dbias_N = bias_N_->grad, .mode = mode, .workspace = workspace},
               context.stream);
  context.gradients.End(*bias_N_);
}

void Linear::MultiplyRows(Product product, const ConstTensorView& x, const TensorView& y,
                          Stream& stream) {
  ConstTensorView weight = weight_NK_.weight;
  if (x.num_dims() == 2) {
    Run(PlanFor(product, 1, x.dim(0), x.dtype(), stream), x, weight, y, stream);
    return;
  }
  // Every stretch meets the same weight: a batch whose entries lie no elements apart.
  const int64_t num_stretches = x.dim(0);
  weight =
      ConstTensorView(weight.raw(), weight.dtype(), {num_stretches, weight.dim(0), weight.dim(1)},
                      {0, weight.stride(0), weight.stride(1)});
  Run(PlanFor(product, num_stretches, x.dim(1), x.dtype(), stream), x, weight, y, stream);
}

const GemmPlan& Linear::PlanFor(Product product, int64_t num_stretches, int64_t num_tokens,
                                DType dtype, Stream& stream) {
  for (const PlanEntry& entry : plans_) {
    if (entry.product == product && entry.num_stretches == num_stretches &&
        entry.num_tokens == num_tokens) {
      return *entry.plan;
    }
  }
  GemmSpec spec = {.batch = num_stretches, .dtype = dtype};
  switch (product) {
    case Product::kForward:
      spec.m = num_tokens, spec.n = num_outputs(), spec.k = num_inputs();
      spec.transpose_b = Transpose::kYes;
      if (adds_bias_) spec.epilogue = Epilogue::kBias;
      break;
    case Product::kBackwardInput:
      spec.m = num_tokens, spec.n = num_inputs(), spec.k = num_outputs();
      break;
    case Product::kBackwardWeightOverwrite:
    case Product::kBackwardWeightAccumulate:
      spec.m = num_outputs(), spec.n = num_inputs(), spec.k = num_tokens;
      spec.transpose_a = Transpose::kYes;
      spec.mode = product == Product::kBackwardWeightAccumulate ? GradMode::kAccumulate
                                                                : GradMode::kOverwrite;
      spec.dtype_c = weight_NK_.grad.dtype();
      break;
  }
  plans_.push_back({product, num_stretches, num_tokens, MakePlan(stream.device(), spec)});
  return *plans_.back().plan;
}

void Linear::Run(const GemmPlan& plan, const ConstTensorView& a, const ConstTensorView& b,
                 const TensorView& c, Stream& stream) const {
  Tensor workspace;
  if (plan.workspace_bytes > 0) {
    workspace = Tensor(DType::kU8, {plan.workspace_bytes}, MemoryCategory::kWorkspace, stream);
  }
  ConstTensorView bias_N;
  if (plan.spec.epilogue == Epilogue::kBias) bias_N = bias_N_->weight;
  Gemm({.plan = &plan,
        .a = {.data = a},
        .b = {.data = b},
        .bias_N = bias_N,
        .c = c,
        .workspace = workspace.view()},
       stream);
}

}  // namespace cadmus
