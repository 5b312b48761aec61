// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/checkpoint_observer.h"

#include "kernels/base/log.h"
#include "runtime/checkpoint/save_checkpoint.h"

namespace cadmus {

void CheckpointObserver::AfterStep(const StepReport& report) {
  if (plan_.interval_steps == 0 || report.completed_steps % plan_.interval_steps != 0) return;
  try {
    Save(report.completed_steps);
  } catch (const Error& e) {
    if (e.kind() != Kind::kCheckpoint) throw;
    if (world_.rank() == 0) LogError(StrCat(e.what(), "; the run goes on without this checkpoint"));
  }
}

void CheckpointObserver::AtEnd(int64_t completed_steps, Outcome) {
  if (completed_steps != plan_.last_saved) Save(completed_steps);
}

void CheckpointObserver::Save(int64_t completed_steps) {
  plan_.info.completed_steps = completed_steps;
  plan_.info.data_cursor = completed_steps * plan_.samples_per_step;
  const std::filesystem::path saved = SaveCheckpoint({.folder = plan_.folder,
                                                      .info = plan_.info,
                                                      .entries = entries_,
                                                      .world = world_,
                                                      .stream = stream_});
  plan_.last_saved = completed_steps;
  if (world_.rank() == 0) {
    LogInfo(StrCat("saved ", saved.string()));
    ApplyRetention(plan_.folder, plan_.retention);
  }
}

}  // namespace cadmus
