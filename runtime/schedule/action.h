// SPDX-License-Identifier: Apache-2.0
// Action: one line of what a rank does in a step. A schedule is a list of actions made by a pure
// function; a verifier proves it complete and in order; an engine executes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cadmus {

// The kinds that every layout needs. The verifier and the engine refuse by name those that they do
// not know yet.
enum class ActionKind : uint8_t {
  kForward,
  kBackward,       // input- and weight-backward, module by module
  kBackwardInput,  // the two halves apart, for zero-bubble schedules
  kBackwardWeight,
  kOverlap,  // a forward and a backward with their segments interleaved
  kRecompute,
  kSend,
  kReceive,
  kFetchParameters,
  kReleaseParameters,
  kReduceGradients,  // all contributions of the chunk are issued: finish summing over the ranks
  kTieReduce,
  kOffload,
  kOptimizer,
};

std::string_view Name(ActionKind kind);

struct Action {
  ActionKind kind = ActionKind::kForward;
  int chunk = 0;
  int micro_batch = -1;         // of the kinds that work on one
  std::vector<int> depends_on;  // indices of earlier actions of this list
};

// "forward chunk 0 micro-batch 3"
std::string ToString(const Action& action);

}  // namespace cadmus
