// SPDX-License-Identifier: Apache-2.0
#include "runtime/mesh/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "kernels/base/error.h"
#include "tests/runtime/mesh/random_mesh.h"

namespace cadmus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Calls visit(global index, local index, slice) for every element of the slice, both indices
// row-major in the global and local shape.
template <class Visit>
void ForEachElement(const Placement& placement, const PlacedSlice& slice, Visit visit) {
  const int num_dims = slice.extent.num_dims();
  for (int64_t i = 0; i < slice.extent.num_elements(); ++i) {
    int64_t rest = i;
    int64_t global = 0;
    int64_t local = 0;
    int64_t global_stride = 1;
    int64_t local_stride = 1;
    for (int d = num_dims - 1; d >= 0; --d) {
      const int64_t at = rest % slice.extent[d];
      rest /= slice.extent[d];
      global += (slice.global_offset[d] + at) * global_stride;
      local += (slice.local_offset[d] + at) * local_stride;
      global_stride *= placement.global_shape()[d];
      local_stride *= placement.local_shape()[d];
    }
    visit(global, local);
  }
}

// Checks, over all ranks: owners cover every global element exactly once; no local element is used
// twice; the ranks of a replica set hold the same box and list each other in replica order.
void CheckPlacement(const Mesh& mesh, const Placement& placement) {
  std::vector<int> times_owned(placement.global_shape().num_elements());
  std::vector<int> times_held(placement.global_shape().num_elements());
  std::vector<int> num_replicas(placement.global_shape().num_elements());
  for (int rank = 0; rank < mesh.world_size(); ++rank) {
    if (!placement.Holds(rank)) continue;
    std::vector<int> times_used(placement.local_shape().num_elements());
    const std::vector<PlacedSlice> slices = placement.Slices(rank);
    for (int s = 0; s < static_cast<int>(slices.size()); ++s) {
      const PlacedSlice& slice = slices[s];
      const std::vector<int> replicas = placement.ReplicaRanks(rank, s);
      ASSERT_THAT(replicas, SizeIs(slice.num_replicas));
      ASSERT_EQ(replicas[slice.replica], rank);
      const int other = replicas[(slice.replica + 1) % slice.num_replicas];
      const std::vector<PlacedSlice> others = placement.Slices(other);
      const auto same = std::find_if(others.begin(), others.end(), [&](const PlacedSlice& o) {
        return o.global_offset == slice.global_offset && o.extent == slice.extent &&
               o.local_offset == slice.local_offset;
      });
      ASSERT_NE(same, others.end());
      ASSERT_EQ(replicas[same->replica], other);
      ASSERT_EQ(placement.ReplicaRanks(other, static_cast<int>(same - others.begin())), replicas);
      ForEachElement(placement, slice, [&](int64_t global, int64_t local) {
        times_owned[global] += slice.is_owner();
        times_held[global] += 1;
        num_replicas[global] = slice.num_replicas;
        times_used[local] += 1;
      });
    }
    ASSERT_TRUE(std::all_of(times_used.begin(), times_used.end(), [](int n) { return n <= 1; }));
  }
  for (size_t i = 0; i < times_owned.size(); ++i) {
    ASSERT_EQ(times_owned[i], 1) << placement.name() << " element " << i;
    ASSERT_EQ(times_held[i], num_replicas[i]) << placement.name() << " element " << i;
  }
}

TEST(Placement, ReplicatedParameterIsOwnedByTheFirstRankOfItsStage) {
  const Mesh mesh({.pp = 2, .tp = 2}, 8);
  const Placement norm(mesh, {.name = "norm", .dims = {Replicated(5)}, .pp_holders = {1}});
  EXPECT_FALSE(norm.Holds(3));
  EXPECT_TRUE(norm.Holds(4));
  EXPECT_EQ(norm.local_shape(), (Shape{5}));
  EXPECT_THAT(norm.ReplicaRanks(6, 0), ElementsAre(4, 5, 6, 7));
  EXPECT_TRUE(norm.Slices(4)[0].is_owner());
  EXPECT_FALSE(norm.Slices(5)[0].is_owner());
  CheckPlacement(mesh, norm);
}

TEST(Placement, ScalarHasOneSlice) {
  const Mesh mesh({}, 3);
  const Placement scalar(mesh, {.name = "scale", .dims = {}});
  EXPECT_EQ(scalar.local_shape(), Shape{});
  EXPECT_THAT(scalar.Slices(2), SizeIs(1));
  CheckPlacement(mesh, scalar);
}

TEST(Placement, EmptyParameterHasNoSlices) {
  const Mesh mesh({.tp = 2}, 2);
  const Placement empty(mesh, {.name = "none", .dims = {Sharded(Axis::kTp, 0), Replicated(3)}});
  EXPECT_EQ(empty.local_shape(), (Shape{0, 3}));
  EXPECT_THAT(empty.Slices(1), IsEmpty());
}

TEST(Placement, FusedGateAndUpGiveEachRankItsPartOfBoth) {
  const Mesh mesh({.tp = 2}, 2);
  const Placement gate_up(
      mesh,
      {.name = "gate_up", .dims = {{.axes = Axis::kTp, .blocks = {{6}, {6}}}, Replicated(4)}});
  EXPECT_EQ(gate_up.global_shape(), (Shape{12, 4}));
  EXPECT_EQ(gate_up.local_shape(), (Shape{6, 4}));
  const std::vector<PlacedSlice> slices = gate_up.Slices(1);
  ASSERT_THAT(slices, SizeIs(2));
  EXPECT_EQ(slices[0].global_offset, (Shape{3, 0}));
  EXPECT_EQ(slices[0].local_offset, (Shape{0, 0}));
  EXPECT_EQ(slices[1].global_offset, (Shape{9, 0}));
  EXPECT_EQ(slices[1].local_offset, (Shape{3, 0}));
  EXPECT_EQ(slices[1].extent, (Shape{3, 4}));
  CheckPlacement(mesh, gate_up);
}

TEST(Placement, FewerKvHeadsThanTpAreReplicatedOnNeighbours) {
  // 8 query heads and 2 key/value heads of 4 elements over tp 8: four ranks share a KV head.
  const Mesh mesh({.tp = 8}, 8);
  const Placement qkv(
      mesh,
      {.name = "wqkv",
       .dims = {{.axes = Axis::kTp,
                 .blocks = {{32}, {.extent = 8, .replicas = 4}, {.extent = 8, .replicas = 4}}},
                Replicated(2)}});
  EXPECT_EQ(qkv.local_shape(), (Shape{12, 2}));
  const std::vector<PlacedSlice> slices = qkv.Slices(6);
  ASSERT_THAT(slices, SizeIs(3));
  EXPECT_EQ(slices[0].global_offset[0], 24);
  EXPECT_EQ(slices[0].num_replicas, 1);
  EXPECT_EQ(slices[1].global_offset[0], 32 + 4);
  EXPECT_EQ(slices[1].replica, 2);
  EXPECT_EQ(slices[1].num_replicas, 4);
  EXPECT_EQ(slices[2].global_offset[0], 40 + 4);
  EXPECT_THAT(qkv.ReplicaRanks(6, 0), ElementsAre(6));
  EXPECT_THAT(qkv.ReplicaRanks(6, 1), ElementsAre(4, 5, 6, 7));
  CheckPlacement(mesh, qkv);
}

TEST(Placement, PaddedVocabularyLeavesPaddingOutOfSlices) {
  const Mesh mesh({.tp = 4}, 4);
  const int64_t vocab = 9;
  const Placement embedding(
      mesh,
      {.name = "embedding",
       .dims = {{.axes = Axis::kTp, .blocks = {{.extent = vocab, .padding = PaddingFor(vocab, 4)}}},
                Replicated(2)}});
  EXPECT_EQ(embedding.global_shape(), (Shape{9, 2}));
  EXPECT_EQ(embedding.local_shape(), (Shape{3, 2}));
  EXPECT_EQ(embedding.Slices(2)[0].extent, (Shape{3, 2}));
  EXPECT_THAT(embedding.Slices(3), IsEmpty());
  CheckPlacement(mesh, embedding);
}

TEST(Placement, TiedParameterIsOwnedByItsFirstHolderOnly) {
  const Mesh mesh({.pp = 3, .tp = 2}, 12);
  const Placement tied(
      mesh, {.name = "embedding", .dims = {Sharded(Axis::kTp, 4)}, .pp_holders = {0, 2}});
  EXPECT_FALSE(tied.Holds(4));
  EXPECT_THAT(tied.ReplicaRanks(9, 0), ElementsAre(1, 3, 9, 11));
  CheckPlacement(mesh, tied);
}

TEST(Placement, ExpertsAreSpreadOverEpAndSplitOverEtp) {
  const Mesh mesh({.tp = 4, .edp_shard = 2, .ep = 2, .etp = 2}, 16);
  const Placement experts(mesh,
                          {.name = "experts",
                           .dims = {Sharded(Axis::kEp, 4), Replicated(3), Sharded(Axis::kEtp, 6)},
                           .family = kExpertAxes});
  EXPECT_EQ(experts.local_shape(), (Shape{2, 3, 3}));
  EXPECT_EQ(experts.Slices(15)[0].num_replicas, 4);
  CheckPlacement(mesh, experts);
}

TEST(Placement, OwnersCoverEveryElementOnceOnRandomMeshes) {
  Random random(7);
  for (int trial = 0; trial < 60; ++trial) {
    const Mesh mesh = RandomMesh(random);
    const AxisSet family = random.Below(2) == 0 ? kDenseAxes : kExpertAxes;
    PlacementSpec spec{.name = "random", .dims = {}, .family = family};
    AxisSet free = family - Axis::kPp;
    const int num_dims = random.Below(4);
    for (int d = 0; d < num_dims; ++d) {
      DimPlacement dim;
      for (Axis axis : AllAxes()) {
        if (free.Contains(axis) && random.Below(4) == 0) dim.axes = dim.axes | axis;
      }
      free = free - dim.axes;
      const int count = mesh.Size(dim.axes);
      const int num_blocks = 1 + random.Below(3);
      for (int b = 0; b < num_blocks; ++b) {
        int replicas = 1 + random.Below(count);
        while (count % replicas != 0) --replicas;
        const int64_t extent = random.Below(6);
        dim.blocks.push_back({.extent = extent,
                              .replicas = replicas,
                              .padding = PaddingFor(extent, count / replicas)});
      }
      spec.dims.push_back(dim);
    }
    spec.pp_holders.clear();
    for (int stage = mesh.Size(Axis::kPp) - 1; stage >= 0; --stage) {
      if (stage == 0 || random.Below(2) == 0) spec.pp_holders.push_back(stage);
    }
    CheckPlacement(mesh, Placement(mesh, spec));
    if (HasFatalFailure()) return;
  }
}

TEST(Placement, BlocksThatDoNotDivideNameParameterAndRemedy) {
  const Mesh mesh({.tp = 4}, 4);
  const auto message = [&](Block block) -> std::string {
    try {
      Placement(mesh, {.name = "head", .dims = {{.axes = Axis::kTp, .blocks = {block}}}});
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kConfig);
      return error.message();
    }
    return "";
  };
  EXPECT_EQ(message({10}),
            "head dim 0: 10 elements do not divide into 4 pieces over tp 4; pad by 2 or choose a "
            "size of tp that divides");
  EXPECT_THAT(message({.extent = 8, .replicas = 3}), HasSubstr("3 replicas do not divide tp 4"));
}

TEST(Placement, OneAxisOverTwoDimsIsRefused) {
  const Mesh mesh({.tp = 2}, 2);
  EXPECT_THROW(
      Placement(mesh, {.name = "x", .dims = {Sharded(Axis::kTp, 2), Sharded(Axis::kTp, 2)}}),
      Error);
  EXPECT_THROW(Placement(mesh, {.name = "x", .dims = {Sharded(Axis::kEp, 2)}}), Error);
}

}  // namespace
}  // namespace cadmus
