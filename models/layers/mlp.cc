// SPDX-License-Identifier: Apache-2.0
#include "models/layers/mlp.h"

#include "kernels/ops/swiglu.h"

namespace cadmus {
namespace {

Tensor Activate(const ConstTensorView& gate_up_TG, Stream& stream) {
  Tensor hidden_TF(gate_up_TG.dtype(), {gate_up_TG.dim(0), gate_up_TG.dim(1) / 2},
                   MemoryCategory::kActivationsWeight, stream);
  SwiGluForward({.gate_up_TG = gate_up_TG, .y_TF = hidden_TF}, stream);
  return hidden_TF;
}

}  // namespace

MlpLayer::MlpLayer(const std::string& name, int64_t model_width, int64_t hidden_width,
                   double initial_std, double initial_std_out, const TensorParallel& parallel)
    : hidden_width_(hidden_width / parallel.size()),
      gate_up_weight_{.name = name + ".gate_up.weight",
                      .shape = {2 * hidden_width, model_width},
                      .initial = {InitialValue::Kind::kNormal, initial_std}},
      down_weight_{.name = name + ".down.weight",
                   .shape = {model_width, hidden_width},
                   .initial = {InitialValue::Kind::kNormal, initial_std_out}},
      gate_up_(gate_up_weight_, parallel),
      down_(down_weight_, parallel) {}

void MlpLayer::VisitParameters(const std::function<void(Parameter&)>& visit) {
  visit(gate_up_weight_);
  visit(down_weight_);
}

Tensor MlpLayer::Forward(ForwardContext& context, Saved& saved, const ConstTensorView& x_TM) {
  Stream& stream = context.stream;
  const int64_t num_tokens = context.inputs.tokens_BS.num_elements();
  Tensor gate_up_TG(x_TM.dtype(), {num_tokens, 2 * hidden_width_},
                    MemoryCategory::kActivationsWeight, stream);
  gate_up_.Forward(x_TM, gate_up_TG, stream);
  Tensor hidden_TF = Activate(gate_up_TG, stream);
  Tensor y_TM = down_.Forward(hidden_TF.view(), stream);
  if (context.saves()) {
    saved.gate_up_TG = std::move(gate_up_TG);
    saved.hidden_TF = std::move(hidden_TF);
  }
  return y_TM;
}

void MlpLayer::RecomputeHidden(BackwardContext& context, Saved& saved) {
  saved.hidden_TF = Activate(saved.gate_up_TG, context.stream);
}

Tensor MlpLayer::BackwardInput(BackwardContext& context, Saved& saved,
                               const ConstTensorView& dy_TM) {
  Stream& stream = context.stream;
  const TensorView& gate_up_TG = saved.gate_up_TG.view();
  {
    const Tensor dhidden_TF(dy_TM.dtype(), {gate_up_TG.dim(0), hidden_width_},
                            MemoryCategory::kActivationsInput, stream);
    saved.dy_TM = down_.BackwardInput(dy_TM, dhidden_TF, stream);
    SwiGluBackward({.gate_up_TG = gate_up_TG, .dy_TF = dhidden_TF, .dgate_up_TG = gate_up_TG},
                   stream);
  }
  return gate_up_.BackwardInput(gate_up_TG, stream);
}

void MlpLayer::BackwardWeight(BackwardContext& context, Saved& saved, const ConstTensorView& x_TM,
                              const ConstTensorView& dy_TM) {
  down_.BackwardWeight(saved.hidden_TF, saved.dy_TM ? saved.dy_TM.view() : dy_TM, context);
  saved.hidden_TF.Reset();
  saved.dy_TM.Reset();
  gate_up_.BackwardWeight(x_TM, saved.gate_up_TG, context);
  saved.gate_up_TG.Reset();
}

}  // namespace cadmus
