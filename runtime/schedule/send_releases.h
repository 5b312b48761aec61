// SPDX-License-Identifier: Apache-2.0
// SendReleases: when a rank may give up the memory of what it has sent. Sends are not awaited; a
// rank knows that one was received when something that the receiver sent later, directly or through
// others, has reached it. To wait earlier could deadlock, to wait until the end of the step would
// hold everything.
#pragma once

#include <vector>

#include "runtime/schedule/schedule.h"

namespace cadmus {

// For each action of `rank`: the earlier actions of its list, all sends, of which it is known after
// this action that they were received. Those that no message of the step tells about come with the
// last action. Requires a schedule without problems (FindProblems). Source of the method: Mattern,
// "Virtual time and global states of distributed systems", 1989 (vector clocks). Time:
// O(actions · ranks).
std::vector<std::vector<int>> SendReleases(const Schedule& schedule, int rank);

}  // namespace cadmus
