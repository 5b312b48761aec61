// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/cross_entropy.h"

#include "kernels/device/launch.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cost.h"

namespace cadmus {
namespace {

// The statistics of a token: maximum, sum of exponentials, the label's logit.
constexpr int64_t kNumStatistics = 3;

void CheckPart(const Check& c, const VocabularyPart& part) {
  c.True(c['V'] > 0, "V must be positive");
  c.True(part.first >= 0 && part.vocab_size > 0,
         "a part starts at or after entry 0 of a vocabulary that is not empty");
}

// What a gradient is scaled by.
void CheckScalars(Check& c, const ConstTensorView& scalars, LogitGradient gradient) {
  if (gradient == LogitGradient::kNone) return;
  c.Bind('S', kStepScalarsBytes);
  c.Tensor("scalars", scalars, "S", DType::kU8);
}

}  // namespace

void CrossEntropy(const CrossEntropyArgs& args, Stream& stream) {
  Check c(args.kName);
  const DType dtype = c.FloatTensor("logits", args.logits_TV, "TV");
  c.Tensor("labels", args.labels_T, "T", DType::kI32);
  c.Tensor("loss", args.loss_T, "T", StatisticsDType(dtype));
  CheckScalars(c, args.scalars, args.gradient);
  c.True(c['V'] > 0, "V must be positive");
  if (c['T'] == 0) return;
  Launch(args, stream);
}

void LogitStatistics(const LogitStatisticsArgs& args, Stream& stream) {
  Check c(args.kName);
  c.FloatTensor("logits", args.logits_TV, "TV");
  c.Tensor("labels", args.labels_T, "T", DType::kI32);
  c.Bind('N', kNumStatistics);
  c.Tensor("statistics", args.statistics_3T, "NT", DType::kF64);
  CheckPart(c, args.part);
  if (c['T'] == 0) return;
  Launch(args, stream);
}

void SplitCrossEntropy(const SplitCrossEntropyArgs& args, Stream& stream) {
  Check c(args.kName);
  const DType dtype = c.FloatTensor("logits", args.logits_TV, "TV");
  c.Tensor("labels", args.labels_T, "T", DType::kI32);
  c.Bind('N', kNumStatistics);
  c.Tensor("statistics", args.statistics_R3T, "RNT", DType::kF64);
  CheckScalars(c, args.scalars, args.gradient);
  c.Tensor("loss", args.loss_T, "T", StatisticsDType(dtype));
  c.True(c['R'] > 0, "R must be positive");
  CheckPart(c, args.part);
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

OpCost Cost(const LogitStatisticsArgs& args) {
  return {.flops = 4 * static_cast<double>(args.logits_TV.num_elements()),
          .bytes = BytesOf(args.logits_TV, args.labels_T, args.statistics_3T)};
}

OpCost Cost(const SplitCrossEntropyArgs& args) {
  const bool writes = args.gradient == LogitGradient::kWriteOverLogits;
  const double merge =
      5 * static_cast<double>(args.statistics_R3T.num_elements() / kNumStatistics);
  return {.flops = merge + (writes ? 3 * static_cast<double>(args.logits_TV.num_elements()) : 0),
          .bytes = BytesOf(args.labels_T, args.statistics_R3T, args.loss_T) +
                   (writes ? BytesOf(args.logits_TV, args.logits_TV) : 0)};
}

}  // namespace cadmus
