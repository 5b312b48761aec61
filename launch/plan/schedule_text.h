// SPDX-License-Identifier: Apache-2.0
// What a schedule costs, in unit time: forward, input-backward and weight-backward of a stage take
// 1 each, messages nothing.
#pragma once

#include <string>

#include "runtime/schedule/schedule.h"

namespace cadmus {

// The part of all ranks' time, from the begin of the step to the end of its last pass, in which a
// rank runs no pass; in [0, 1). Requires a schedule without problems (FindProblems).
double BubbleFraction(const Schedule& schedule);

// Bubble, peaks of both kinds of activations, and a picture, one line per rank. Requires the same.
std::string ScheduleToReport(const Schedule& schedule);

}  // namespace cadmus
