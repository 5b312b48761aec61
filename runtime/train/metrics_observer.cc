// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/metrics_observer.h"

#include <utility>

#include "kernels/base/log.h"
#include "runtime/metrics/step_line.h"

namespace cadmus {

void MetricsObserver::AfterStep(const StepReport& report) {
  if (!std::exchange(has_stepped_, true)) {  // by now all libraries are loaded
    if (const auto memory = device_.ReadGpuMemory()) context_bytes_ = memory->context_bytes();
  }
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
                         .memory_bytes = device_.allocator().stats().peak_total_bytes,
                         .context_bytes = context_bytes_};
  if (rate_.peak_flops) metrics.mfu = rate_.flops_per_step / report.seconds / *rate_.peak_flops;
  file_.Append(metrics);
  LogInfo(FormatStepLine(metrics));
}

}  // namespace cadmus
