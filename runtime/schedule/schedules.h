// SPDX-License-Identifier: Apache-2.0
// The built-in schedules: pure functions from sizes to a rank's actions.
#pragma once

#include <vector>

#include "runtime/schedule/action.h"

namespace cadmus {

// One stage: each micro-batch forward, then backward, so that one micro-batch is in flight; then
// the gradients' reduction and the optimizer.
std::vector<Action> SingleStageSchedule(int num_micro_batches);

}  // namespace cadmus
