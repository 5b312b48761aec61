// SPDX-License-Identifier: Apache-2.0
// GatherFacts: everything that this process can find out about itself, without a peer.
#pragma once

#include "launch/bench/machine_facts.h"

namespace cadmus {

// `launch` was detected before MPI started. The ranks are left as they are by default.
MachineFacts GatherFacts(const Launch& launch);

}  // namespace cadmus
