// SPDX-License-Identifier: Apache-2.0
// MlpLayer: feed-forward network, SwiGLU on a fused gate/up projection or GELU; without norm and
// residual. A tensor-parallel rank has some of the hidden columns, gate and up of the same ones; x,
// y and their gradients are as ColumnLinear and RowLinear say.
// Letters: T tokens, M model width, F hidden width of this rank, G = 2F (gate, up) or F (GELU).
#pragma once

#include "models/layers/parallel_linear.h"
#include "models/layers/variants.h"
#include "runtime/nn/module.h"

namespace cadmus {

struct MlpSpec {
  FeedForward kind = FeedForward::kSwiGlu;
  int64_t model_width = 0, hidden_width = 0;  // of all ranks
  bool biases = false;
  double initial_std = 0.02;
  double initial_std_out = 0.02;  // of the projection back to the model width
};

class MlpLayer {
 public:
  struct Saved {
    // What the activation function reads; input-backward, which leaves its own gradient there for
    // the weight-backward.
    Tensor inner_TG;
    Tensor hidden_TF;  // weight-backward
    Tensor dy_TM;      // from input- to weight-backward, where dy was gathered part by part
  };

  // `parallel` must outlive the layer.
  MlpLayer(const std::string& name, const MlpSpec& spec, const TensorParallel& parallel);

  void VisitParameters(const std::function<void(Parameter&)>& visit);

  // y_TM is new. BackwardWeight takes the same x_TM and dy_TM as the passes before, but inner.
  Tensor Forward(ForwardContext& context, Saved& saved, const ConstTensorView& x_TM);
  // The activation function's output, from inner: the bits of the forward pass.
  void RecomputeHidden(BackwardContext& context, Saved& saved) const;
  Tensor BackwardInput(BackwardContext& context, Saved& saved, const ConstTensorView& dy_TM);
  void BackwardWeight(BackwardContext& context, Saved& saved, const ConstTensorView& x_TM,
                      const ConstTensorView& dy_TM);

 private:
  Tensor Activate(const ConstTensorView& inner_TG, Stream& stream) const;
  // In place of what the activation function read.
  void ActivateBackward(const TensorView& inner_TG, const ConstTensorView& dhidden_TF,
                        Stream& stream) const;

  FeedForward kind_;
  int64_t hidden_width_, inner_width_;  // F and G
  LinearParameters inner_parameters_;
  LinearParameters down_parameters_;
  ColumnLinear inner_;
  RowLinear down_;
};

}  // namespace cadmus
