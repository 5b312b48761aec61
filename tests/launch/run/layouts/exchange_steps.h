// SPDX-License-Identifier: Apache-2.0
// Brings what the ranks of several processes keep of a run to every one of them.
#pragma once

#include <vector>

#include "collectives/communicator/communicator.h"
#include "tests/launch/run/layouts/global_step.h"

namespace cadmus {

// [rank][step]. Collective over `world`.
std::vector<std::vector<RankStep>> ExchangeSteps(const std::vector<RankStep>& mine,
                                                 Communicator& world);

}  // namespace cadmus
