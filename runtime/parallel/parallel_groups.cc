// SPDX-License-Identifier: Apache-2.0
#include "runtime/parallel/parallel_groups.h"

#include <algorithm>
#include <numeric>

namespace cadmus {

ParallelGroups::ParallelGroups(const Mesh& mesh, Communicator& world, const Needs& needs) {
  const int rank = world.rank();
  const auto make = [&](AxisSet axes) {
    const MeshGroup group = mesh.GroupOf(rank, axes);
    return world.MakeGroup(group.ranks, group.name);
  };
  tp = make(Axis::kTp);
  if (needs.num_kv_replicas > 1) {
    std::vector<int> members(static_cast<size_t>(needs.num_kv_replicas));
    std::iota(members.begin(), members.end(),
              tp->rank() / needs.num_kv_replicas * needs.num_kv_replicas);
    kv_replicas = tp->MakeGroup(members, "tp key/value replicas");
  }
  const MeshGroup pipeline = mesh.GroupOf(rank, Axis::kPp);
  CommunicatorOptions small = world.options();  // little is summed along pp
  small.workspace_bytes = std::min(small.workspace_bytes, int64_t{64} << 10);
  pp = world.MakeGroup(pipeline.ranks, pipeline.name, small);
  pp_gradients = world.MakeGroup(pipeline.ranks, "pp gradients", small);
  dp_shard = make(Axis::kDpShard);
  dp_replicate = make(Axis::kDpReplicate);
  if (pp->rank() == needs.first_table_holder || pp->rank() == needs.last_table_holder) {
    const int members[] = {needs.first_table_holder, needs.last_table_holder};
    table_holders = pp->MakeGroup(members, "holders of the tied table");
  }
  dp_index = mesh.IndexInGroup(rank, kDpAxes);
  dp_count = mesh.Size(kDpAxes);
}

}  // namespace cadmus
