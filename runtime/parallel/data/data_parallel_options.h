// SPDX-License-Identifier: Apache-2.0
// What data parallelism is told: over which ranks, what is shared out, when sums start.
#pragma once

#include <cstdint>

#include "collectives/communicator/communicator.h"

namespace cadmus {

enum class Overlap { kOff, kOn };

enum class KeepGradients {
  kYes,
  kNo,  // for evaluation: weights alone
};

struct DataParallelOptions {
  int zero = 1;  // what is sharded over dp_shard: 1 optimizer state, 2 gradients too, 3 weights too
  int64_t bucket_bytes = int64_t{4} << 20;  // a larger parameter gets a bucket of its own
  Overlap overlap = Overlap::kOn;           // sums run beside the backward pass
  KeepGradients gradients = KeepGradients::kYes;
};

struct DataParallelGroups {
  Communicator& shard;      // dp_shard
  Communicator& replicate;  // dp_replicate
};

}  // namespace cadmus
