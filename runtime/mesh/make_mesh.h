// SPDX-License-Identifier: Apache-2.0
// MakeMesh: the mesh that a configuration asks for.
#pragma once

#include <span>

#include "runtime/mesh/mesh.h"

namespace cadmus {

class ParallelConfig;

// As configured: 0 stays where an axis fills the world.
AxisSizes MakeAxisSizes(const ParallelConfig& config);

// dp_replicate (edp_replicate) unset or 0 fills the world. Throws what Mesh throws.
Mesh MakeMesh(const ParallelConfig& config, int world_size,
              std::span<const int> placement_on_machine = {});

}  // namespace cadmus
