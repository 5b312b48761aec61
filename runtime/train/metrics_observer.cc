// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/metrics_observer.h"

#include "kernels/base/log.h"
#include "runtime/metrics/step_line.h"

namespace cadmus {

void MetricsObserver::AfterStep(const StepReport& report) {
  recent_seconds_ =
      recent_seconds_ == 0 ? report.seconds : 0.9 * recent_seconds_ + 0.1 * report.seconds;
  StepMetrics metrics = {.step = report.completed_steps,
                         .total_steps = report.total_steps,
                         .loss = report.result.loss,
                         .gradient_norm = report.result.gradient_norm,
                         .learning_rate = report.result.learning_rate,
                         .tokens = report.tokens,
                         .seconds = report.seconds,
                         .recent_seconds = recent_seconds_,
                         .memory_bytes = memory_.stats().peak_total_bytes};
  if (rate_.peak_flops) metrics.mfu = rate_.flops_per_step / report.seconds / *rate_.peak_flops;
  file_.Append(metrics);
  LogInfo(FormatStepLine(metrics));
}

}  // namespace cadmus
