// SPDX-License-Identifier: Apache-2.0
// CheckpointObserver: saves every so many steps and at the end of the run, and keeps what the
// policy says. Collective: every rank of the world has one.
#pragma once

#include <filesystem>
#include <vector>

#include "collectives/communicator/communicator.h"
#include "runtime/checkpoint/manifest.h"
#include "runtime/checkpoint/retention.h"
#include "runtime/state/state_entry.h"
#include "runtime/train/trainer.h"

namespace cadmus {

class CheckpointObserver final : public StepObserver {
 public:
  struct Plan {
    std::filesystem::path folder;
    int64_t interval_steps = 0;  // 0: only at the end
    RetentionPolicy retention;
    CheckpointInfo info;  // completed_steps and data_cursor are filled in at each save
    int64_t samples_per_step = 0;
    int64_t last_saved = 0;  // steps that are saved when the run starts or goes on; 0: none
  };

  // `world` and `stream` must outlive the observer.
  CheckpointObserver(Plan plan, std::vector<StateEntry> entries, Communicator& world,
                     Stream& stream)
      : plan_(std::move(plan)), entries_(std::move(entries)), world_(world), stream_(stream) {}

  // A save that fails here is logged, and the run goes on with the checkpoints that it has.
  void AfterStep(const StepReport& report) override;
  // A save that fails here is thrown (kCheckpoint).
  void AtEnd(int64_t completed_steps, Outcome outcome) override;

 private:
  void Save(int64_t completed_steps);

  Plan plan_;
  std::vector<StateEntry> entries_;
  Communicator& world_;
  Stream& stream_;
};

}  // namespace cadmus
