// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/gelu.h"

#include "kernels/device/launch.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cost.h"

namespace cadmus {

void GeluForward(const GeluForwardArgs& args, Stream& stream) {
  Check c(args.kName);
  const DType dtype = c.FloatTensor("x", args.x_TF, "TF");
  c.Tensor("y", args.y_TF, "TF", dtype);
  if (args.x_TF.num_elements() == 0) return;
  Launch(args, stream);
}

void GeluBackward(const GeluBackwardArgs& args, Stream& stream) {
  Check c(args.kName);
  const DType dtype = c.FloatTensor("x", args.x_TF, "TF");
  c.Tensor("dy", args.dy_TF, "TF", dtype);
  c.Tensor("dx", args.dx_TF, "TF", dtype);
  if (args.x_TF.num_elements() == 0) return;
  Launch(args, stream);
}

// An exponential counts as one operation.
OpCost Cost(const GeluForwardArgs& args) {
  return {.flops = 8.0 * static_cast<double>(args.x_TF.num_elements()),
          .bytes = BytesOf(args.x_TF, args.y_TF)};
}

OpCost Cost(const GeluBackwardArgs& args) {
  return {.flops = 15.0 * static_cast<double>(args.x_TF.num_elements()),
          .bytes = BytesOf(args.x_TF, args.dy_TF, args.dx_TF)};
}

}  // namespace cadmus
