// SPDX-License-Identifier: Apache-2.0
// BalancedOwners: which of n replicas writes which tensor, so that each writes about as much.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace cadmus {

// The owner, in [0, num_owners), of each item. Largest item first, each to the owner with the
// fewest bytes so far, ties by lower index: every rank computes the same answer from the same list,
// and no owner has more than 4/3 of the least possible maximum (Graham, "Bounds on multiprocessing
// timing anomalies", 1969). Requires bytes ≥ 0 and num_owners ≥ 1.
std::vector<int> BalancedOwners(std::span<const int64_t> bytes, int num_owners);

}  // namespace cadmus
