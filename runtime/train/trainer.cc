// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/trainer.h"

#include <chrono>

namespace cadmus {

Trainer::Trainer(TrainStep& step, Loader& loader, std::vector<StepObserver*> observers,
                 const std::atomic<bool>& stop, const TrainerOptions& options)
    : step_(step),
      loader_(loader),
      observers_(std::move(observers)),
      stop_(stop),
      options_(options) {}

Outcome Trainer::Run() {
  using Clock = std::chrono::steady_clock;
  loader_.Seek(options_.completed_steps);
  Outcome outcome = Outcome::kDone;
  int64_t completed = options_.completed_steps;
  while (completed < options_.total_steps && outcome == Outcome::kDone) {
    const auto start = Clock::now();
    const StepBatch& batch = loader_.Next();
    const StepResult result = step_.Run(batch, stop_.load() ? StopRequest::kYes : StopRequest::kNo);
    ++completed;
    const StepReport report = {
        .completed_steps = completed,
        .total_steps = options_.total_steps,
        .result = result,
        .tokens = options_.tokens_per_step,
        .seconds = std::chrono::duration<double>(Clock::now() - start).count()};
    for (StepObserver* observer : observers_) observer->AfterStep(report);
    if (result.stop == StopRequest::kYes && completed < options_.total_steps)
      outcome = Outcome::kStopped;
  }
  for (StepObserver* observer : observers_) observer->AtEnd(completed, outcome);
  return outcome;
}

}  // namespace cadmus
