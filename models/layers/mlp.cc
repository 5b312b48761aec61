// SPDX-License-Identifier: Apache-2.0
#include "models/layers/mlp.h"

#include "kernels/ops/gelu.h"
#include "kernels/ops/swiglu.h"

namespace cadmus {

MlpLayer::MlpLayer(const std::string& name, const MlpSpec& spec, const TensorParallel& parallel)
    : kind_(spec.kind),
      hidden_width_(spec.hidden_width / parallel.size()),
      inner_width_(kind_ == FeedForward::kSwiGlu ? 2 * hidden_width_ : hidden_width_),
      inner_parameters_(name + (kind_ == FeedForward::kSwiGlu ? ".gate_up" : ".up"),
                        {.num_inputs = spec.model_width,
                         .num_outputs = inner_width_ * parallel.size(),
                         .initial_std = spec.initial_std,
                         .has_bias = spec.biases}),
      down_parameters_(name + ".down", {.num_inputs = spec.hidden_width,
                                        .num_outputs = spec.model_width,
                                        .initial_std = spec.initial_std_out,
                                        .has_bias = spec.biases}),
      inner_(inner_parameters_, parallel),
      down_(down_parameters_, parallel) {}

void MlpLayer::VisitParameters(const std::function<void(Parameter&)>& visit) {
  inner_parameters_.VisitParameters(visit);
  down_parameters_.VisitParameters(visit);
}

Tensor MlpLayer::Activate(const ConstTensorView& inner_TG, Stream& stream) const {
  Tensor hidden_TF(inner_TG.dtype(), {inner_TG.dim(0), hidden_width_},
                   MemoryCategory::kActivationsWeight, stream);
  if (kind_ == FeedForward::kSwiGlu) {
    SwiGluForward({.gate_up_TG = inner_TG, .y_TF = hidden_TF}, stream);
  } else {
    GeluForward({.x_TF = inner_TG, .y_TF = hidden_TF}, stream);
  }
  return hidden_TF;
}

void MlpLayer::ActivateBackward(const TensorView& inner_TG, const ConstTensorView& dhidden_TF,
                                Stream& stream) const {
  if (kind_ == FeedForward::kSwiGlu) {
    SwiGluBackward({.gate_up_TG = inner_TG, .dy_TF = dhidden_TF, .dgate_up_TG = inner_TG}, stream);
  } else {
    GeluBackward({.x_TF = inner_TG, .dy_TF = dhidden_TF, .dx_TF = inner_TG}, stream);
  }
}

Tensor MlpLayer::Forward(ForwardContext& context, Saved& saved, const ConstTensorView& x_TM) {
  Stream& stream = context.stream;
  const int64_t num_tokens = context.inputs.tokens_BS.num_elements();
  Tensor inner_TG(x_TM.dtype(), {num_tokens, inner_width_}, MemoryCategory::kActivationsWeight,
                  stream);
  inner_.Forward(x_TM, inner_TG, stream);
  Tensor hidden_TF = Activate(inner_TG, stream);
  Tensor y_TM = down_.Forward(hidden_TF.view(), stream);
  if (context.saves()) {
    saved.inner_TG = std::move(inner_TG);
    saved.hidden_TF = std::move(hidden_TF);
  }
  return y_TM;
}

void MlpLayer::RecomputeHidden(BackwardContext& context, Saved& saved) const {
  saved.hidden_TF = Activate(saved.inner_TG, context.stream);
}

Tensor MlpLayer::BackwardInput(BackwardContext& context, Saved& saved,
                               const ConstTensorView& dy_TM) {
  Stream& stream = context.stream;
  const TensorView& inner_TG = saved.inner_TG.view();
  {
    const Tensor dhidden_TF(dy_TM.dtype(), {inner_TG.dim(0), hidden_width_},
                            MemoryCategory::kActivationsInput, stream);
    saved.dy_TM = down_.BackwardInput(dy_TM, dhidden_TF, stream);
    ActivateBackward(inner_TG, dhidden_TF, stream);
  }
  return inner_.BackwardInput(inner_TG, stream);
}

void MlpLayer::BackwardWeight(BackwardContext& context, Saved& saved, const ConstTensorView& x_TM,
                              const ConstTensorView& dy_TM) {
  down_.BackwardWeight(saved.hidden_TF, saved.dy_TM ? saved.dy_TM.view() : dy_TM, context);
  saved.hidden_TF.Reset();
  saved.dy_TM.Reset();
  inner_.BackwardWeight(x_TM, saved.inner_TG, context);
  saved.inner_TG.Reset();
}

}  // namespace cadmus
