// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/schedules.h"

namespace cadmus {

std::vector<Action> SingleStageSchedule(int num_micro_batches) {
  std::vector<Action> actions;
  std::vector<int> backwards;
  for (int micro_batch = 0; micro_batch < num_micro_batches; ++micro_batch) {
    const int forward = static_cast<int>(actions.size());
    actions.push_back({.kind = ActionKind::kForward, .micro_batch = micro_batch});
    backwards.push_back(forward + 1);
    actions.push_back(
        {.kind = ActionKind::kBackward, .micro_batch = micro_batch, .depends_on = {forward}});
  }
  const int reduce = static_cast<int>(actions.size());
  actions.push_back({.kind = ActionKind::kReduceGradients, .depends_on = backwards});
  actions.push_back({.kind = ActionKind::kOptimizer, .depends_on = {reduce}});
  return actions;
}

}  // namespace cadmus
