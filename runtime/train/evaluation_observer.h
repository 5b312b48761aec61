// SPDX-License-Identifier: Apache-2.0
// EvaluationObserver: evaluates every so many steps and after the last; a line of metrics.jsonl and
// a line for people. Collective: every rank of the world has one.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/metrics/metrics_file.h"
#include "runtime/train/evaluator.h"
#include "runtime/train/trainer.h"

namespace cadmus {

class EvaluationObserver final : public StepObserver {
 public:
  struct Plan {
    int64_t interval_steps = 0;  // > 0
    int64_t total_steps = 0;
    std::vector<int32_t> bytes_of_token;  // see Evaluator::Run
  };

  // `file` is null on all ranks but one. All must outlive the observer.
  EvaluationObserver(Plan plan, Evaluator& evaluator, const ValidationWindows& windows,
                     MetricsFile* file)
      : plan_(std::move(plan)), evaluator_(evaluator), windows_(windows), file_(file) {}

  bool IsDue(int64_t completed_steps) const {
    return completed_steps > 0 &&
           (completed_steps % plan_.interval_steps == 0 || completed_steps == plan_.total_steps);
  }
  void Evaluate(int64_t completed_steps);

  // Not where a stop was asked for, which may not wait: the run that goes on from this step makes
  // up for it (IsDue, MetricsFile::has_evaluation).
  void AfterStep(const StepReport& report) override;
  void AtEnd(int64_t, Outcome) override {}

 private:
  Plan plan_;
  Evaluator& evaluator_;
  const ValidationWindows& windows_;
  MetricsFile* file_;
};

}  // namespace cadmus
