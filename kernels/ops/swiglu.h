// SPDX-License-Identifier: Apache-2.0
// SwiGLU on a fused gate/up projection: y = silu(gate) · up, silu(g) = g / (1 + exp(-g)).
//
//   dgate = dy · up · σ(gate) · (1 + gate · (1 - σ(gate)));   dup = dy · silu(gate)
//
// Source: Shazeer, 2002.05202. Letters: T tokens, F hidden width; G = 2F: gate columns, then up
// columns.
#pragma once

#include "kernels/device/device.h"
#include "kernels/device/trace.h"

namespace cadmus {

struct SwiGluForwardArgs {
  static constexpr const char* kName = "SwiGluForward";
  ConstTensorView gate_up_TG;
  TensorView y_TF;

  template <class V>
  void Visit(V& v) const {
    v.Read("gate_up", gate_up_TG);
    v.Write("y", y_TF);
  }
};

struct SwiGluBackwardArgs {
  static constexpr const char* kName = "SwiGluBackward";
  ConstTensorView gate_up_TG;
  ConstTensorView dy_TF;
  TensorView dgate_up_TG;  // may alias gate_up

  template <class V>
  void Visit(V& v) const {
    v.Read("gate_up", gate_up_TG);
    v.Read("dy", dy_TF);
    v.Write("dgate_up", dgate_up_TG);
  }
};

void SwiGluForward(const SwiGluForwardArgs& args, Stream& stream);
void SwiGluBackward(const SwiGluBackwardArgs& args, Stream& stream);
OpCost Cost(const SwiGluForwardArgs& args);
OpCost Cost(const SwiGluBackwardArgs& args);

}  // namespace cadmus
