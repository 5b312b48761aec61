// SPDX-License-Identifier: Apache-2.0
// QkNorm: RMSNorm of each query head and each key head, with a weight for all of either. Over
// tensor-parallel ranks each has the heads that it holds, and its share of the weights' gradients.
// Letters: T tokens, N = H + K query and key heads side by side, D head dim.
#pragma once

#include "kernels/device/tensor.h"
#include "runtime/nn/context.h"
#include "runtime/nn/parameter.h"

namespace cadmus {

class QkNorm {
 public:
  struct Spec {
    int64_t num_heads = 0;  // H, of this rank
    int64_t head_dim = 0;
    double epsilon = 1e-5;
  };
  struct Statistics {
    Tensor q_rstd_TH, k_rstd_TK;
  };

  // Parameters "name.q_norm.weight" and "name.k_norm.weight".
  QkNorm(const std::string& name, const Spec& spec);

  void VisitParameters(const std::function<void(Parameter&)>& visit);

  // Views may be strided, their last dim contiguous.
  Statistics Forward(const ConstTensorView& x_TND, const TensorView& y_TND, Stream& stream) const;
  // In place of dy_TND. The weights' gradients are added here, as Norm does.
  void Backward(const ConstTensorView& x_TND, const Statistics& statistics,
                const TensorView& dy_TND, BackwardContext& context);

 private:
  void BackwardHeads(const ConstTensorView& x_THD, const ConstTensorView& rstd_TH,
                     const TensorView& dy_THD, Parameter& weight_D, BackwardContext& context);

  Spec spec_;
  Parameter q_weight_D_, k_weight_D_;
};

}  // namespace cadmus
