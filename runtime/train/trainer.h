// SPDX-License-Identifier: Apache-2.0
// Trainer: the loop over steps. It reads batches, runs steps and tells its observers; what is
// logged, saved, evaluated or sampled is theirs.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "runtime/data/loader.h"
#include "runtime/train/train_step.h"

namespace cadmus {

// A step that has just ended.
struct StepReport {
  int64_t completed_steps = 0;  // of the run, this one included
  int64_t total_steps = 0;
  StepResult result;
  int64_t tokens = 0;  // of the global batch
  double seconds = 0;  // wall clock, reading the batch included
};

enum class Outcome { kDone, kStopped };

class StepObserver {
 public:
  virtual ~StepObserver() = default;
  virtual void AfterStep(const StepReport& report) = 0;
  // The loop ends after `completed_steps`, because the run is done or a stop was asked for.
  virtual void AtEnd(int64_t completed_steps, Outcome outcome) = 0;
};

struct TrainerOptions {
  int64_t completed_steps = 0;  // where a resumed run starts
  int64_t total_steps = 0;
  int64_t tokens_per_step = 0;  // of the global batch
};

class Trainer {
 public:
  // `stop` may be set at any time by any thread or signal handler of any rank: all ranks stop after
  // the same step. Observers are told in the order given. All must outlive the trainer.
  Trainer(TrainStep& step, Loader& loader, std::vector<StepObserver*> observers,
          const std::atomic<bool>& stop, const TrainerOptions& options);

  Outcome Run();

 private:
  TrainStep& step_;
  Loader& loader_;
  std::vector<StepObserver*> observers_;
  const std::atomic<bool>& stop_;
  TrainerOptions options_;
};

}  // namespace cadmus
