// SPDX-License-Identifier: Apache-2.0
// The collectives as rounds of an Exchange: reduce-scatter is an all-to-all and a sum in rank
// order, all-reduce is reduce-scatter and all-gather, both in chunks of the group's workspace.
#pragma once

#include <span>

#include "collectives/communicator/collective_call.h"
#include "collectives/ordered/exchange.h"
#include "kernels/base/tensor_view.h"

namespace cadmus {

// Runs one call, or sends and receives together, of `group` in the rounds of `exchange`, whose
// BeginCall has been given `info`.
void RunOrdered(std::span<const CollectiveCall> calls, const Membership& group,
                const CallInfo& info, const TensorView& workspace, Exchange& exchange);

}  // namespace cadmus
