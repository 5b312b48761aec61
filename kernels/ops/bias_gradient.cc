// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/bias_gradient.h"

#include "kernels/device/launch.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cost.h"
#include "kernels/ops/token_blocks.h"

namespace cadmus {

int64_t BiasGradientWorkspaceBytes(int64_t num_tokens, int64_t width, DType dtype) {
  return TokenBlocksBytes(num_tokens, width, dtype);
}

void BiasGradient(const BiasGradientArgs& args, Stream& stream) {
  Check c(args.kName);
  const DType dtype = c.FloatTensor("dy", args.dy_TN, "TN");
  c.Tensor("dbias", args.dbias_N, "N",
           args.dbias_N.dtype() == dtype ? dtype : StatisticsDType(dtype));
  if (c['N'] == 0 || (c['T'] == 0 && args.mode == GradMode::kAccumulate)) return;
  const int64_t needed = BiasGradientWorkspaceBytes(c['T'], c['N'], dtype);
  if (needed > 0) {
    c.Tensor("workspace", args.workspace, "W", DType::kU8);
    c.True(c['W'] >= needed, "workspace is smaller than BiasGradientWorkspaceBytes(T, N, dtype)");
  }
  Launch(args, stream);
}

OpCost Cost(const BiasGradientArgs& args) {
  const bool accumulates = args.mode == GradMode::kAccumulate;
  return {.flops = static_cast<double>(args.dy_TN.num_elements()),
          .bytes = BytesOf(args.dy_TN, args.dbias_N) + (accumulates ? BytesOf(args.dbias_N) : 0)};
}

}  // namespace cadmus
