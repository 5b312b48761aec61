// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/rms_norm.h"

#include "kernels/device/launch.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cost.h"
#include "kernels/ops/token_blocks.h"

namespace cadmus {

int64_t RmsNormBackwardWorkspaceBytes(int64_t num_tokens, int64_t width, DType dtype) {
  return TokenBlocksBytes(num_tokens, width, dtype);
}

void RmsNormForward(const RmsNormForwardArgs& args, Stream& stream) {
  Check c(args.kName);
  const DType dtype = c.FloatTensor("x", args.x_TD, "TD");
  c.Optional("residual", args.residual_TD, "TD", dtype);
  c.Tensor("weight", args.weight_D, "D", dtype);
  c.Optional("sum", args.sum_TD, "TD", dtype);
  c.Tensor("y", args.y_TD, "TD", dtype);
  c.Tensor("rstd", args.rstd_T, "T", StatisticsDType(dtype));
  c.True(static_cast<bool>(args.residual_TD) == static_cast<bool>(args.sum_TD),
         "sum must be present exactly when residual is");
  c.True(c['D'] > 0, "D must be positive");
  if (c['T'] == 0) return;
  Launch(args, stream);
}

void RmsNormBackward(const RmsNormBackwardArgs& args, Stream& stream) {
  Check c(args.kName);
  const DType dtype = c.FloatTensor("s", args.s_TD, "TD");
  c.Tensor("weight", args.weight_D, "D", dtype);
  c.Tensor("rstd", args.rstd_T, "T", StatisticsDType(dtype));
  c.Tensor("dy", args.dy_TD, "TD", dtype);
  c.Optional("dsum", args.dsum_TD, "TD", dtype);
  c.Tensor("ds", args.ds_TD, "TD", dtype);
  c.Gradient("dweight", args.dweight_D, "D", dtype);
  c.True(c['D'] > 0, "D must be positive");
  if (c['T'] == 0 && args.dweight_mode == GradMode::kAccumulate) return;
  c.Workspace(args.workspace, RmsNormBackwardWorkspaceBytes(c['T'], c['D'], dtype),
              "RmsNormBackwardWorkspaceBytes(T, D, dtype)");
  Launch(args, stream);
}

OpCost Cost(const RmsNormForwardArgs& args) {
  // Per element: square and add, two products; one more for the residual.
  const double flops_per_element = args.residual_TD ? 5 : 4;
  return {.flops = flops_per_element * static_cast<double>(args.x_TD.num_elements()),
          .bytes = BytesOf(args.x_TD, args.residual_TD, args.weight_D, args.sum_TD, args.y_TD,
                           args.rstd_T)};
}

OpCost Cost(const RmsNormBackwardArgs& args) {
  // Per element: 3 for the dot product, 4 for ds, 3 for dweight; one more for dsum.
  const double flops_per_element = args.dsum_TD ? 11 : 10;
  return {.flops = flops_per_element * static_cast<double>(args.s_TD.num_elements()),
          .bytes =
              BytesOf(args.s_TD, args.weight_D, args.rstd_T, args.dy_TD, args.dsum_TD, args.ds_TD) +
              BytesOfGradient(args.dweight_D, args.dweight_mode)};
}

}  // namespace cadmus
