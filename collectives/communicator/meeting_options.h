// SPDX-License-Identifier: Apache-2.0
// MeetingOptions: of the communicator over which the ranks of another library's group meet (NCCL's,
// over mpi): little room of its own, and pure, so that a plan counts it too.
#pragma once

#include <algorithm>

#include "collectives/communicator/communicator.h"

namespace cadmus {

inline CommunicatorOptions MeetingOptions(const CommunicatorOptions& options, int size) {
  return {.limit = options.limit, .workspace_bytes = std::max<int64_t>(4096, int64_t{64} * size)};
}

}  // namespace cadmus
