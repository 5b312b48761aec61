// SPDX-License-Identifier: Apache-2.0
// The verifier: whether a list of actions is a training step.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/schedule/schedule.h"

namespace cadmus {

// Every rule that the list breaks, in words; empty for a valid list. The rules: each (chunk,
// micro-batch) runs forward once and backward once after it, whole or as input- and then
// weight-backward; each chunk reduces its gradients once, after its last backward; the optimizer
// runs once, last; dependencies point to earlier actions, and every order that the rules need is
// stated as a dependency.
std::vector<std::string> FindProblems(std::span<const Action> actions, const ScheduleSize& size);

// The most micro-batches of one chunk that are between forward and backward at the same time.
int MaxInFlight(std::span<const Action> actions, int chunk);

}  // namespace cadmus
