// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/evaluation_observer.h"

#include <chrono>

#include "kernels/base/log.h"

namespace cadmus {

void EvaluationObserver::AfterStep(const StepReport& report) {
  const bool stops = report.result.stop == StopRequest::kYes;
  if (IsDue(report.completed_steps) && !stops) Evaluate(report.completed_steps);
}

void EvaluationObserver::Evaluate(int64_t completed_steps) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const EvaluationMetrics metrics = evaluator_.Run(windows_, plan_.bytes_of_token);
  if (file_ == nullptr) return;
  file_->Append(completed_steps, metrics,
                std::chrono::duration<double>(Clock::now() - start).count());
  LogInfo(StrCat("eval step ", completed_steps, ": ", FormatEvaluation(metrics)));
}

}  // namespace cadmus
