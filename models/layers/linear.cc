// SPDX-License-Identifier: Apache-2.0
#include "models/layers/linear.h"

#include "kernels/device/tensor.h"

namespace cadmus {

void Linear::Forward(const ConstTensorView& x_TK, const TensorView& y_TN, Stream& stream) {
  Run(Product::kForward, x_TK.dim(0), x_TK, weight_NK_.weight, y_TN, stream);
}

void Linear::BackwardInput(const ConstTensorView& dy_TN, const TensorView& dx_TK, Stream& stream) {
  Run(Product::kBackwardInput, dy_TN.dim(0), dy_TN, weight_NK_.weight, dx_TK, stream);
}

void Linear::BackwardWeight(const ConstTensorView& x_TK, const ConstTensorView& dy_TN,
                            BackwardContext& context) {
  const GradMode mode = context.gradients.Begin(weight_NK_);
  Run(mode == GradMode::kOverwrite ? Product::kBackwardWeightOverwrite
                                   : Product::kBackwardWeightAccumulate,
      x_TK.dim(0), dy_TN, x_TK, weight_NK_.grad, context.stream);
  context.gradients.End(weight_NK_);
}

const GemmPlan& Linear::PlanFor(Product product, int64_t num_tokens, Stream& stream) {
  for (const PlanEntry& entry : plans_) {
    if (entry.product == product && entry.num_tokens == num_tokens) return *entry.plan;
  }
  const int64_t num_outputs = weight_NK_.shape[0];
  const int64_t num_inputs = weight_NK_.shape[1];
  GemmSpec spec = {.dtype = weight_NK_.weight.dtype()};
  switch (product) {
    case Product::kForward:
      spec.m = num_tokens, spec.n = num_outputs, spec.k = num_inputs;
      spec.transpose_b = Transpose::kYes;
      break;
    case Product::kBackwardInput:
      spec.m = num_tokens, spec.n = num_inputs, spec.k = num_outputs;
      break;
    case Product::kBackwardWeightOverwrite:
    case Product::kBackwardWeightAccumulate:
      spec.m = num_outputs, spec.n = num_inputs, spec.k = num_tokens;
      spec.transpose_a = Transpose::kYes;
      spec.mode = product == Product::kBackwardWeightAccumulate ? GradMode::kAccumulate
                                                                : GradMode::kOverwrite;
      break;
  }
  plans_.push_back({product, num_tokens, MakePlan(stream.device(), spec)});
  return *plans_.back().plan;
}

void Linear::Run(Product product, int64_t num_tokens, const ConstTensorView& a,
                 const ConstTensorView& b, const TensorView& c, Stream& stream) {
  const GemmPlan& plan = PlanFor(product, num_tokens, stream);
  Tensor workspace;
  if (plan.workspace_bytes > 0) {
    workspace = Tensor(DType::kU8, {plan.workspace_bytes}, MemoryCategory::kWorkspace, stream);
  }
  Gemm({.plan = &plan, .a = {.data = a}, .b = {.data = b}, .c = c, .workspace = workspace.view()},
       stream);
}

}  // namespace cadmus
