// SPDX-License-Identifier: Apache-2.0
// MlpLayer: SwiGLU feed-forward network on a fused gate/up projection; without norm and residual. A
// tensor-parallel rank has some of the hidden columns, gate and up of the same ones; x, y and their
// gradients are as ColumnLinear and RowLinear say.
// Letters: T tokens, M model width, F hidden width of this rank, G = 2F.
#pragma once

#include "models/layers/parallel_linear.h"
#include "runtime/nn/module.h"

namespace cadmus {

class MlpLayer {
 public:
  struct Saved {
    // Input-backward, which leaves its own gradient there for the weight-backward.
    Tensor gate_up_TG;
    Tensor hidden_TF;  // weight-backward
    Tensor dy_TM;      // from input- to weight-backward, where dy was gathered part by part
  };

  // `hidden_width` is of all ranks. `parallel` must outlive the layer.
  MlpLayer(const std::string& name, int64_t model_width, int64_t hidden_width, double initial_std,
           double initial_std_out, const TensorParallel& parallel);

  void VisitParameters(const std::function<void(Parameter&)>& visit);

  // y_TM is new. BackwardWeight takes the same x_TM and dy_TM as the passes before, but inner.
  Tensor Forward(ForwardContext& context, Saved& saved, const ConstTensorView& x_TM);
  // The activation function's output, from gate_up: the bits of the forward pass.
  static void RecomputeHidden(BackwardContext& context, Saved& saved);
  Tensor BackwardInput(BackwardContext& context, Saved& saved, const ConstTensorView& dy_TM);
  void BackwardWeight(BackwardContext& context, Saved& saved, const ConstTensorView& x_TM,
                      const ConstTensorView& dy_TM);

 private:
  int64_t hidden_width_;  // of this rank
  Parameter gate_up_weight_;
  Parameter down_weight_;
  ColumnLinear gate_up_;
  RowLinear down_;
};

}  // namespace cadmus
