// SPDX-License-Identifier: Apache-2.0
// A pairwise covering of all options of a layout.
#pragma once

#include <vector>

#include "tests/launch/run/layouts/cases.h"

namespace cadmus {

// Layouts on at most 8 ranks in which every pair of values of two options occurs that any valid
// layout has: splits of the ranks, zero, schedule, chunks, uneven stages, sequence_parallel,
// token_parts, recompute, offload, prefetch, overlap, bucket size, micro-batch size, tied head,
// key/value heads, streams. Greedy over random valid candidates of a fixed seed.
std::vector<LayoutCase> PairwiseCases();

}  // namespace cadmus
