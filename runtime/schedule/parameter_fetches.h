// SPDX-License-Identifier: Apache-2.0
// ZeRO-3: refines a rank's list by the gathering and dropping of sharded weights.
#pragma once

#include <span>
#include <vector>

#include "runtime/schedule/action.h"

namespace cadmus {

// Splits the passes per module (forward ascending; backward and backward-input descending;
// backward-weight needs no weights and stays whole, and so does an overlap, which needs all modules
// of both of its chunks) and adds fetches and releases such that, while a module's pass runs,
// exactly the modules of it and of the next `prefetch` passes are fetched. A module is therefore
// kept, not released and fetched again, if one of those passes uses it again; nothing is fetched
// when the optimizer runs. A fetch stands behind the sends of the pass before and in front of the
// receive of the next one, which would hold it up.
//
// num_modules_of_chunk: of this rank's stages, each at least 1. prefetch: >= 0. `actions` must not
// be split yet.
std::vector<Action> WithParameterFetches(std::span<const Action> actions,
                                         std::span<const int> num_modules_of_chunk, int prefetch);

}  // namespace cadmus
