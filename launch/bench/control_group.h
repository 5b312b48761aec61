// SPDX-License-Identifier: Apache-2.0
// ControlGroupLimits: what a container, a Slurm job or a service may take of its machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "launch/bench/machine_facts.h"

namespace cadmus {

struct ControlGroupLimits {
  double cores = 0;  // that it may keep busy; 0: no limit
  int64_t memory_bytes = kUnlimited;
  int64_t processes = kUnlimited;
  std::vector<int> core_numbers;  // that it may run on; empty: all
};

// The least of the limits of the process' groups and of those around them, version 1 or 2. `root`
// is "/", or a folder that stands for it.
ControlGroupLimits ReadControlGroupLimits(const std::filesystem::path& root);

}  // namespace cadmus
