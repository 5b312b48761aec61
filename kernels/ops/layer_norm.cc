// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/layer_norm.h"

#include "kernels/device/launch.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cost.h"
#include "kernels/ops/token_blocks.h"

namespace cadmus {

int64_t LayerNormBackwardWorkspaceBytes(int64_t num_tokens, int64_t width, DType dtype) {
  return TokenBlocksBytes(num_tokens, 2 * width, dtype);
}

void LayerNormForward(const LayerNormForwardArgs& args, Stream& stream) {
  Check c(args.kName);
  const DType dtype = c.FloatTensor("x", args.x_TD, "TD");
  c.Optional("residual", args.residual_TD, "TD", dtype);
  c.Tensor("weight", args.weight_D, "D", dtype);
  c.Tensor("bias", args.bias_D, "D", dtype);
  c.Optional("sum", args.sum_TD, "TD", dtype);
  c.Tensor("y", args.y_TD, "TD", dtype);
  c.Tensor("mean", args.mean_T, "T", StatisticsDType(dtype));
  c.Tensor("rstd", args.rstd_T, "T", StatisticsDType(dtype));
  c.True(static_cast<bool>(args.residual_TD) == static_cast<bool>(args.sum_TD),
         "sum must be present exactly when residual is");
  c.True(c['D'] > 0, "D must be positive");
  if (c['T'] == 0) return;
  Launch(args, stream);
}

void LayerNormBackward(const LayerNormBackwardArgs& args, Stream& stream) {
  Check c(args.kName);
  const DType dtype = c.FloatTensor("s", args.s_TD, "TD");
  const DType statistics = StatisticsDType(dtype);
  c.Tensor("weight", args.weight_D, "D", dtype);
  c.Tensor("mean", args.mean_T, "T", statistics);
  c.Tensor("rstd", args.rstd_T, "T", statistics);
  c.Tensor("dy", args.dy_TD, "TD", dtype);
  c.Optional("dsum", args.dsum_TD, "TD", dtype);
  c.Tensor("ds", args.ds_TD, "TD", dtype);
  c.Gradient("dweight", args.dweight_D, "D", dtype);
  c.Gradient("dbias", args.dbias_D, "D", dtype);
  c.True(c['D'] > 0, "D must be positive");
  if (c['T'] == 0 && args.dweight_mode == GradMode::kAccumulate &&
      args.dbias_mode == GradMode::kAccumulate) {
    return;
  }
  c.Workspace(args.workspace, LayerNormBackwardWorkspaceBytes(c['T'], c['D'], dtype),
              "LayerNormBackwardWorkspaceBytes(T, D, dtype)");
  Launch(args, stream);
}

OpCost Cost(const LayerNormForwardArgs& args) {
  // Per element: 1 for the mean, 3 for the variance, 4 for y; one more for the residual.
  const double flops_per_element = args.residual_TD ? 9 : 8;
  return {.flops = flops_per_element * static_cast<double>(args.x_TD.num_elements()),
          .bytes = BytesOf(args.x_TD, args.residual_TD, args.weight_D, args.bias_D, args.sum_TD,
                           args.y_TD, args.mean_T, args.rstd_T)};
}

OpCost Cost(const LayerNormBackwardArgs& args) {
  // Per element: 2 for n, 4 for the two means, 4 for ds, 3 for dweight and dbias; one more for
  // dsum.
  const double flops_per_element = args.dsum_TD ? 14 : 13;
  return {.flops = flops_per_element * static_cast<double>(args.s_TD.num_elements()),
          .bytes = BytesOf(args.s_TD, args.weight_D, args.mean_T, args.rstd_T, args.dy_TD,
                           args.dsum_TD, args.ds_TD) +
                   BytesOfGradient(args.dweight_D, args.dweight_mode) +
                   BytesOfGradient(args.dbias_D, args.dbias_mode)};
}

}  // namespace cadmus
