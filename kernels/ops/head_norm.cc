// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/head_norm.h"

#include "kernels/device/launch.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cost.h"
#include "kernels/ops/token_blocks.h"

namespace cadmus {

int64_t HeadNormBackwardWorkspaceBytes(int64_t num_tokens, int64_t num_heads, int64_t head_dim,
                                       DType dtype) {
  return TokenBlocksBytes(num_tokens * num_heads, head_dim, dtype);
}

void HeadNormForward(const HeadNormForwardArgs& args, Stream& stream) {
  Check c(args.kName);
  const DType dtype = c.FloatTensor("x", args.x_THD, "THD", Layout::kLastDimContiguous);
  c.Tensor("weight", args.weight_D, "D", dtype);
  c.Tensor("y", args.y_THD, "THD", dtype, Layout::kLastDimContiguous);
  c.Tensor("rstd", args.rstd_TH, "TH", StatisticsDType(dtype));
  c.True(c['D'] > 0, "D must be positive");
  if (args.x_THD.num_elements() == 0) return;
  Launch(args, stream);
}

void HeadNormBackward(const HeadNormBackwardArgs& args, Stream& stream) {
  Check c(args.kName);
  const DType dtype = c.FloatTensor("x", args.x_THD, "THD", Layout::kLastDimContiguous);
  c.Tensor("weight", args.weight_D, "D", dtype);
  c.Tensor("rstd", args.rstd_TH, "TH", StatisticsDType(dtype));
  c.Tensor("dy", args.dy_THD, "THD", dtype, Layout::kLastDimContiguous);
  c.Tensor("dx", args.dx_THD, "THD", dtype, Layout::kLastDimContiguous);
  c.Gradient("dweight", args.dweight_D, "D", dtype);
  c.True(c['D'] > 0, "D must be positive");
  if (args.x_THD.num_elements() == 0 && args.dweight_mode == GradMode::kAccumulate) return;
  c.Workspace(args.workspace, HeadNormBackwardWorkspaceBytes(c['T'], c['H'], c['D'], dtype),
              "HeadNormBackwardWorkspaceBytes(T, H, D, dtype)");
  Launch(args, stream);
}

// Per element as RmsNorm without its adds.
OpCost Cost(const HeadNormForwardArgs& args) {
  return {.flops = 4.0 * static_cast<double>(args.x_THD.num_elements()),
          .bytes = BytesOf(args.x_THD, args.weight_D, args.y_THD, args.rstd_TH)};
}

OpCost Cost(const HeadNormBackwardArgs& args) {
  return {.flops = 10.0 * static_cast<double>(args.x_THD.num_elements()),
          .bytes = BytesOf(args.x_THD, args.weight_D, args.rstd_TH, args.dy_THD, args.dx_THD) +
                   BytesOfGradient(args.dweight_D, args.dweight_mode)};
}

}  // namespace cadmus
