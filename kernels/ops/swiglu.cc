// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/swiglu.h"

#include "kernels/device/launch.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cost.h"

namespace cadmus {

void SwiGluForward(const SwiGluForwardArgs& args, Stream& stream) {
  Check c(args.kName);
  const DType dtype = c.FloatTensor("gate_up", args.gate_up_TG, "TG");
  c.Tensor("y", args.y_TF, "TF", dtype);
  c.True(c['G'] == 2 * c['F'], "G, the width of gate_up, must be twice F, the width of y");
  if (args.y_TF.num_elements() == 0) return;
  Launch(args, stream);
}

void SwiGluBackward(const SwiGluBackwardArgs& args, Stream& stream) {
  Check c(args.kName);
  const DType dtype = c.FloatTensor("gate_up", args.gate_up_TG, "TG");
  c.Tensor("dy", args.dy_TF, "TF", dtype);
  c.Tensor("dgate_up", args.dgate_up_TG, "TG", dtype);
  c.True(c['G'] == 2 * c['F'], "G, the width of gate_up, must be twice F, the width of dy");
  if (args.dy_TF.num_elements() == 0) return;
  Launch(args, stream);
}

// An exponential counts as one operation.
OpCost Cost(const SwiGluForwardArgs& args) {
  return {.flops = 5.0 * static_cast<double>(args.y_TF.num_elements()),
          .bytes = BytesOf(args.gate_up_TG, args.y_TF)};
}

OpCost Cost(const SwiGluBackwardArgs& args) {
  return {.flops = 11.0 * static_cast<double>(args.dy_TF.num_elements()),
          .bytes = BytesOf(args.gate_up_TG, args.dy_TF, args.dgate_up_TG)};
}

}  // namespace cadmus
