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
  c.Gradient("dbias", args.dbias_N, "N", dtype);
  if (c['N'] == 0 || (c['T'] == 0 && args.mode == GradMode::kAccumulate)) return;
  c.Workspace(args.workspace, BiasGradientWorkspaceBytes(c['T'], c['N'], dtype),
              "BiasGradientWorkspaceBytes(T, N, dtype)");
  Launch(args, stream);
}

OpCost Cost(const BiasGradientArgs& args) {
  return {.flops = static_cast<double>(args.dy_TN.num_elements()),
          .bytes = BytesOf(args.dy_TN) + BytesOfGradient(args.dbias_N, args.mode)};
}

}  // namespace cadmus
