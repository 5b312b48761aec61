// SPDX-License-Identifier: Apache-2.0
// When every action of a schedule runs, if passes take given times and messages none: step time and
// bubble, without running.
//
//   const ScheduleTimes times = SimulateTimes(schedule);
//   times.makespan, times.ranks[0].idle() / times.makespan …
#pragma once

#include <optional>
#include <vector>

#include "runtime/schedule/schedule.h"

namespace cadmus {

// Durations of the passes of one chunk, in any unit. A backward in one piece takes both halves; of
// a pass split into modules, each takes an equal part.
struct PassTimes {
  double forward = 1;
  double backward_input = 1;
  double backward_weight = 1;
  // A forward beside a whole backward; absent: the sum, nothing gained.
  std::optional<double> overlap = std::nullopt;
};

struct TimeSpan {
  double begin = 0;
  double end = 0;
};

struct RankTimes {
  double first = 0;  // begin of its first pass
  double last = 0;   // end of its last pass
  double busy = 0;   // sum of its passes
  double makespan = 0;

  // Waiting in the step, and as a part of it.
  double idle() const { return makespan - busy; }
  double bubble_fraction() const { return makespan > 0 ? idle() / makespan : 0; }
  // Waiting between its first and last pass only: what remains where steps follow each other
  // without a barrier (the measure of the zero-bubble papers).
  double idle_inside() const { return last - first - busy; }
};

struct ScheduleTimes {
  double makespan = 0;           // until the last rank's last pass ends
  std::vector<RankTimes> ranks;  // [rank]
  std::vector<std::vector<TimeSpan>>
      spans;  // [rank][action]; other than passes: empty, when issued
};

// Passes of a rank run in the list's order, each as soon as what it needs is there. A receive holds
// up the rank's later sends and receives, not its passes. Requires a schedule without problems
// (verifier.h); throws kConfig, naming the rank, where one waits for ever.
ScheduleTimes SimulateTimes(const Schedule& schedule, const PassTimes& pass_times = {});

}  // namespace cadmus
