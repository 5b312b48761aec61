// SPDX-License-Identifier: Apache-2.0
// CollectReports: what every rank says of itself, on rank 0.
#pragma once

#include <vector>

#include "collectives/communicator/communicator.h"
#include "launch/bench/judge_ranks.h"

namespace cadmus {

// Collective. All reports in the order of the ranks on rank 0, with the clocks measured against its
// own by one message and its answer; nothing on the others.
std::vector<RankReport> CollectReports(const RankReport& own, Communicator& world, Stream& stream);

// Rank 0's number, on every rank. Collective.
int64_t NumberOfRankZero(int64_t number, Communicator& world, Stream& stream);

}  // namespace cadmus
