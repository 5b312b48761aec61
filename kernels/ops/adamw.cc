// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/adamw.h"

#include "kernels/device/launch.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cost.h"

namespace cadmus {

void AdamW(const AdamWArgs& args, Stream& stream) {
  Check c(args.kName);
  c.Bind('S', kStepScalarsBytes);
  c.Tensor("scalars", args.scalars, "S", DType::kU8);
  c.FloatTensor("grad", args.grad_N, "N");
  const DType dtype = c.WideTensor("master", args.master_N, "N");
  c.Tensor("m", args.m_N, "N", dtype);
  c.Tensor("v", args.v_N, "N", dtype);
  if (args.weight_N) c.FloatTensor("weight", args.weight_N, "N");
  c.True(args.beta1 >= 0 && args.beta1 < 1, "beta1 must be in [0, 1)");
  c.True(args.beta2 >= 0 && args.beta2 < 1, "beta2 must be in [0, 1)");
  c.True(args.epsilon >= 0, "epsilon must not be negative");
  c.True(args.weight_decay >= 0, "weight_decay must not be negative");
  if (c['N'] == 0) return;
  Launch(args, stream);
}

OpCost Cost(const AdamWArgs& args) {
  // Clip 1, m 3, v 4, denominator 3, update 4.
  return {.flops = 15.0 * static_cast<double>(args.grad_N.num_elements()),
          .bytes =
              BytesOf(args.grad_N, args.weight_N) + 2 * BytesOf(args.master_N, args.m_N, args.v_N)};
}

}  // namespace cadmus
