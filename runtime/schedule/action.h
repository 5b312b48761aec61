// SPDX-License-Identifier: Apache-2.0
// Action: one line of what a rank does in a step. A schedule is a list of actions made by a pure
// function; a verifier proves it complete and in order; an engine executes it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cadmus {

enum class ActionKind : uint8_t {
  kForward,
  kBackward,         // input- and weight-backward, module by module
  kReduceGradients,  // all contributions of the chunk are issued: finish summing over the
                     // data-parallel ranks
  kOptimizer,
};

struct Action {
  ActionKind kind = ActionKind::kForward;
  int chunk = 0;
  int micro_batch = -1;         // of kForward and kBackward
  std::vector<int> depends_on;  // indices of earlier actions of this list
};

// "forward chunk 0 micro-batch 3"
std::string ToString(const Action& action);

}  // namespace cadmus
