// SPDX-License-Identifier: Apache-2.0
// The rules of the verifier that one rank's list can break by itself.
#pragma once

#include <string>
#include <vector>

#include "runtime/schedule/schedule.h"

namespace cadmus {

// "rank 1, action 5 (forward chunk 0 micro-batch 3)"
std::string PlaceOf(const Schedule& schedule, int rank, size_t action);

// Appends a sentence for every broken rule: completeness, order, what passes need, accumulation
// order, reductions and optimizer, fetches. Requires chunks, micro-batches and neighbours of all
// actions to exist.
void CheckRank(const Schedule& schedule, const std::vector<StagePlace>& places, int rank,
               std::vector<std::string>& problems);

}  // namespace cadmus
