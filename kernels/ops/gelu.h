// SPDX-License-Identifier: Apache-2.0
// GELU in its tanh form (GPT-2's "gelu_new"):
//
//   u = √(2/π) · (x + 0.044715 x³);   y = x/2 · (1 + tanh u) = x · σ(2u), σ(z) = 1 / (1 + exp(-z))
//   dx = dy · (σ(2u) + x · σ(2u) · (1 - σ(2u)) · 2u'),   u' = √(2/π) · (1 + 3 · 0.044715 x²)
//
// Source: Hendrycks & Gimpel, 1606.08415, §2. Letters: T tokens, F hidden width.
#pragma once

#include "kernels/device/device.h"
#include "kernels/device/trace.h"

namespace cadmus {

struct GeluForwardArgs {
  static constexpr const char* kName = "GeluForward";
  ConstTensorView x_TF;
  TensorView y_TF;  // may alias x where no backward follows

  template <class V>
  void Visit(V& v) const {
    v.Read("x", x_TF);
    v.Write("y", y_TF);
  }
};

struct GeluBackwardArgs {
  static constexpr const char* kName = "GeluBackward";
  ConstTensorView x_TF;
  ConstTensorView dy_TF;
  TensorView dx_TF;  // may alias x or dy

  template <class V>
  void Visit(V& v) const {
    v.Read("x", x_TF);
    v.Read("dy", dy_TF);
    v.Write("dx", dx_TF);
  }
};

void GeluForward(const GeluForwardArgs& args, Stream& stream);
void GeluBackward(const GeluBackwardArgs& args, Stream& stream);
OpCost Cost(const GeluForwardArgs& args);
OpCost Cost(const GeluBackwardArgs& args);

}  // namespace cadmus
