// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/reduce.h"

#include "kernels/device/launch.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cost.h"

namespace cadmus {
namespace {

template <class Args>
void CheckAndLaunch(const Args& args, Stream& stream) {
  Check c(args.kName);
  c.FloatTensor("x", args.x_N, "N");
  c.Bind('I', 1);
  c.Tensor("out", args.out, "I", DType::kF64);
  if (c['N'] == 0 && args.mode == GradMode::kAccumulate) return;
  c.Workspace(args.workspace, ReduceWorkspaceBytes(c['N']), "ReduceWorkspaceBytes(N)");
  Launch(args, stream);
}

}  // namespace

int64_t ReduceWorkspaceBytes(int64_t num_elements) {
  return (num_elements + kReduceBlock - 1) / kReduceBlock * SizeOf(DType::kF64);
}

void Sum(const SumArgs& args, Stream& stream) { CheckAndLaunch(args, stream); }
void SquaredNorm(const SquaredNormArgs& args, Stream& stream) { CheckAndLaunch(args, stream); }

void ClipFactor(const ClipFactorArgs& args, Stream& stream) {
  Check c(args.kName);
  c.Bind('I', 1);
  c.Bind('S', kStepScalarsBytes);
  c.Tensor("squared_norm", args.squared_norm, "I", DType::kF64);
  c.Tensor("norm", args.norm, "I", DType::kF64);
  c.Tensor("scalars", args.scalars, "S", DType::kU8);
  c.True(args.max_norm >= 0, "max_norm must not be negative");
  Launch(args, stream);
}

OpCost Cost(const SumArgs& args) {
  return {.flops = static_cast<double>(args.x_N.num_elements()),
          .bytes = BytesOf(args.x_N, args.out)};
}

OpCost Cost(const SquaredNormArgs& args) {
  return {.flops = 2.0 * static_cast<double>(args.x_N.num_elements()),
          .bytes = BytesOf(args.x_N, args.out)};
}

OpCost Cost(const ClipFactorArgs& args) {
  return {.flops = 3, .bytes = BytesOf(args.squared_norm, args.norm, args.scalars)};
}

}  // namespace cadmus
