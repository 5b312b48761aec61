// SPDX-License-Identifier: Apache-2.0
// JudgeMachine: what one process has found out about build, libraries and machine, line by line. A
// warning costs speed, or will cost something later; a failure keeps a run from working.
#pragma once

#include <optional>
#include <vector>

#include "launch/bench/finding.h"
#include "launch/bench/machine_facts.h"

namespace cadmus {

std::vector<Finding> JudgeMachine(const MachineFacts& facts);

// The one that `train` would take with device.kind = CUDA; nothing where there is none.
std::optional<Gpu> ChosenGpu(const MachineFacts& facts);

}  // namespace cadmus
