// SPDX-License-Identifier: Apache-2.0
// Retention: which checkpoints of a run are kept, and the removal of the others.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cadmus {

class CheckpointConfig;

struct RetentionPolicy {
  int keep_last = 3;       // complete ones; at least 1
  int64_t keep_every = 0;  // also every checkpoint whose step is a multiple of this; 0: none
};

// Throws kConfig if keep_last < 1 or keep_every < 0.
RetentionPolicy MakeRetentionPolicy(const CheckpointConfig& config);

// Removes what `policy` does not keep, each manifest before its shards, and finishes removals that
// were interrupted. Only complete checkpoints count, so the last good one always stays. For one
// rank. A checkpoint that cannot be removed is left with a warning. Returns the names removed.
std::vector<std::string> ApplyRetention(const std::filesystem::path& folder,
                                        const RetentionPolicy& policy);

}  // namespace cadmus
