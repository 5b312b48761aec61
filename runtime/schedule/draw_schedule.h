// SPDX-License-Identifier: Apache-2.0
// Pictures of a schedule in time: one row per rank, passes as cells, idle time empty.
#pragma once

#include <string>

#include "runtime/schedule/schedule_times.h"

namespace cadmus {

// One line per rank. A column is the shortest pass; each pass is written as in a schedule file
// (F3 B3 I3 W3, with chunks F1.3) followed by '-' for the columns it goes on, idle columns are
// dots.
//
//   rank 0 | F0 F1 .  .  B0--- .  B1---
//   rank 1 | .  F0 B0--- F1 B1--- .  .
std::string DrawText(const Schedule& schedule, const PassTimes& pass_times = {});

// The same as a stand-alone SVG image: passes coloured by kind, darker for later chunks; titles
// name the action and its time.
std::string DrawSvg(const Schedule& schedule, const PassTimes& pass_times = {});

}  // namespace cadmus
