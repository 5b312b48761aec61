// SPDX-License-Identifier: Apache-2.0
#include "models/layers/mlp.h"

#include "kernels/ops/swiglu.h"

namespace cadmus {

MlpLayer::MlpLayer(const std::string& name, int64_t model_width, int64_t hidden_width,
                   double initial_std, double initial_std_out)
    : model_width_(model_width),
      hidden_width_(hidden_width),
      gate_up_weight_{.name = name + ".gate_up.weight",
                      .shape = {2 * hidden_width, model_width},
                      .initial = {InitialValue::Kind::kNormal, initial_std}},
      down_weight_{.name = name + ".down.weight",
                   .shape = {model_width, hidden_width},
                   .initial = {InitialValue::Kind::kNormal, initial_std_out}},
      gate_up_(gate_up_weight_),
      down_(down_weight_) {}

void MlpLayer::VisitParameters(const std::function<void(Parameter&)>& visit) {
  visit(gate_up_weight_);
  visit(down_weight_);
}

Tensor MlpLayer::Forward(ForwardContext& context, Saved& saved, Tensor x_TM) {
  Stream& stream = context.stream;
  const int64_t num_tokens = x_TM.view().dim(0);
  const DType dtype = x_TM.view().dtype();
  Tensor gate_up_TG(dtype, {num_tokens, 2 * hidden_width_}, MemoryCategory::kActivationsWeight,
                    stream);
  gate_up_.Forward(x_TM, gate_up_TG, stream);
  Tensor hidden_TF(dtype, {num_tokens, hidden_width_}, MemoryCategory::kActivationsWeight, stream);
  SwiGluForward({.gate_up_TG = gate_up_TG, .y_TF = hidden_TF}, stream);
  Tensor y_TM(dtype, {num_tokens, model_width_}, MemoryCategory::kActivationsInput, stream);
  down_.Forward(hidden_TF, y_TM, stream);
  if (context.saves()) {
    saved.x_TM = std::move(x_TM);
    saved.gate_up_TG = std::move(gate_up_TG);
    saved.hidden_TF = std::move(hidden_TF);
  }
  return y_TM;
}

Tensor MlpLayer::BackwardInput(BackwardContext& context, Saved& saved,
                               const ConstTensorView& dy_TM) {
  Stream& stream = context.stream;
  const int64_t num_tokens = dy_TM.dim(0);
  const TensorView& gate_up_TG = saved.gate_up_TG.view();
  {
    const Tensor dhidden_TF(dy_TM.dtype(), {num_tokens, hidden_width_},
                            MemoryCategory::kActivationsInput, stream);
    down_.BackwardInput(dy_TM, dhidden_TF, stream);
    SwiGluBackward({.gate_up_TG = gate_up_TG, .dy_TF = dhidden_TF, .dgate_up_TG = gate_up_TG},
                   stream);
  }
  Tensor dx_TM(dy_TM.dtype(), {num_tokens, model_width_}, MemoryCategory::kActivationsWeight,
               stream);
  gate_up_.BackwardInput(gate_up_TG, dx_TM, stream);
  return dx_TM;
}

void MlpLayer::BackwardWeight(BackwardContext& context, Saved& saved,
                              const ConstTensorView& dy_TM) {
  down_.BackwardWeight(saved.hidden_TF, dy_TM, context);
  saved.hidden_TF.Reset();
  gate_up_.BackwardWeight(saved.x_TM, saved.gate_up_TG, context);
  saved.x_TM.Reset();
  saved.gate_up_TG.Reset();
}

}  // namespace cadmus
