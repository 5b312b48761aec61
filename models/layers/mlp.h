// SPDX-License-Identifier: Apache-2.0
// MlpLayer: SwiGLU feed-forward network on a fused gate/up projection; without norm and residual.
// Letters: T tokens, M model width, F hidden width, G = 2F.
#pragma once

#include "models/layers/linear.h"
#include "runtime/nn/module.h"

namespace cadmus {

class MlpLayer {
 public:
  struct Saved {
    Tensor x_TM;  // weight-backward
    Tensor
        gate_up_TG;  // input-backward, which leaves its own gradient there for the weight-backward
    Tensor hidden_TF;  // weight-backward
  };

  MlpLayer(const std::string& name, int64_t model_width, int64_t hidden_width, double initial_std,
           double initial_std_out);

  void VisitParameters(const std::function<void(Parameter&)>& visit);

  // x_TM is kept in `saved` (training); y_TM is new.
  Tensor Forward(ForwardContext& context, Saved& saved, Tensor x_TM);
  // dy_TM must live until BackwardWeight.
  Tensor BackwardInput(BackwardContext& context, Saved& saved, const ConstTensorView& dy_TM);
  void BackwardWeight(BackwardContext& context, Saved& saved, const ConstTensorView& dy_TM);

 private:
  int64_t model_width_;
  int64_t hidden_width_;
  Parameter gate_up_weight_;
  Parameter down_weight_;
  Linear gate_up_;
  Linear down_;
};

}  // namespace cadmus
