// SPDX-License-Identifier: Apache-2.0
// The collectives as rounds of an Exchange: reduce-scatter is an all-to-all and a sum in rank
// order, all-reduce is reduce-scatter and all-gather, both in chunks of the group's workspace.
#pragma once

#include <span>

#include "collectives/communicator/collective_call.h"
#include "collectives/ordered/exchange.h"
#include "collectives/ordered/memory_access.h"
#include "kernels/base/tensor_view.h"

namespace cadmus {

// What a group lends its calls: room to sum in, and access to it and to their buffers.
struct CallMemory {
  TensorView workspace = {};
  MemoryAccess* access = nullptr;
};

// Runs one call, or sends and receives together, of `group` in the rounds of `exchange`, whose
// BeginCall has been given `info` and the access of `memory`.
void RunOrdered(std::span<const CollectiveCall> calls, const Membership& group,
                const CallInfo& info, const CallMemory& memory, Exchange& exchange);

}  // namespace cadmus
