// SPDX-License-Identifier: Apache-2.0
// ReadHost: the machine and what this process may take of it.
#pragma once

#include <filesystem>

#include "launch/bench/machine_facts.h"

namespace cadmus {

// From the files below `root`: "/", or a folder that stands for it; what is missing there keeps its
// default. The name, the affinity and the limits are those of this process.
HostFacts ReadHost(const std::filesystem::path& root);

}  // namespace cadmus
