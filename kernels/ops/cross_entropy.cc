// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/cross_entropy.h"

#include "kernels/device/launch.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cost.h"

namespace cadmus {

void CrossEntropy(const CrossEntropyArgs& args, Stream& stream) {
  Check c(args.kName);
  const DType dtype = c.FloatTensor("logits", args.logits_TV, "TV");
  c.Tensor("labels", args.labels_T, "T", DType::kI32);
  c.Tensor("loss", args.loss_T, "T", StatisticsDType(dtype));
  if (args.gradient == LogitGradient::kWriteOverLogits) {
    c.Bind('S', kStepScalarsBytes);
    c.Tensor("scalars", args.scalars, "S", DType::kU8);
  }
  c.True(c['V'] > 0, "V must be positive");
  if (c['T'] == 0) return;
  Launch(args, stream);
}

// An exponential counts as one operation.
OpCost Cost(const CrossEntropyArgs& args) {
  const bool writes = args.gradient == LogitGradient::kWriteOverLogits;
  const double flops_per_logit = writes ? 7 : 4;
  return {.flops = flops_per_logit * static_cast<double>(args.logits_TV.num_elements()),
          .bytes = BytesOf(args.logits_TV, args.labels_T, args.loss_T) +
                   (writes ? BytesOf(args.logits_TV) : 0)};
}

}  // namespace cadmus
