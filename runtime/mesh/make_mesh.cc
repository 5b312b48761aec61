// SPDX-License-Identifier: Apache-2.0
#include "runtime/mesh/make_mesh.h"

#include "runtime/mesh/parallel_config.pb.h"

namespace cadmus {

AxisSizes MakeAxisSizes(const ParallelConfig& config) {
  return {.pp = config.pp(),
          .dp_replicate = config.dp_replicate(),
          .dp_shard = config.dp_shard(),
          .cp_ring = config.cp_ring(),
          .cp_ulysses = config.cp_ulysses(),
          .tp = config.tp(),
          .edp_replicate = config.edp_replicate(),
          .edp_shard = config.edp_shard(),
          .ep = config.ep(),
          .etp = config.etp()};
}

Mesh MakeMesh(const ParallelConfig& config, int world_size,
              std::span<const int> placement_on_machine) {
  return Mesh(MakeAxisSizes(config), world_size, placement_on_machine);
}

}  // namespace cadmus
