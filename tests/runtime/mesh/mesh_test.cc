// SPDX-License-Identifier: Apache-2.0
#include "runtime/mesh/mesh.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "kernels/base/error.h"
#include "tests/runtime/mesh/random_mesh.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<AxisSet> kGroups = {
    {},
    Axis::kPp,
    Axis::kDpReplicate,
    Axis::kDpShard,
    Axis::kCpRing,
    Axis::kCpUlysses,
    Axis::kTp,
    Axis::kEdpReplicate,
    Axis::kEdpShard,
    Axis::kEp,
    Axis::kEtp,
    kDpAxes,
    kCpAxes,
    kLossAxes,
    kZeroAxes,
    kEdpAxes,
    {Axis::kPp, Axis::kTp},
    {Axis::kDpReplicate, Axis::kTp},
    kDenseAxes,
    kExpertAxes,
};

std::string ConfigErrorOf(const AxisSizes& sizes, int world_size,
                          std::span<const int> placement = {}) {
  try {
    Mesh(sizes, world_size, placement);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kConfig);
    return error.message();
  }
  ADD_FAILURE() << "no error";
  return "";
}

TEST(Mesh, OneRankIsInEveryGroupAlone) {
  const Mesh mesh({}, 1);
  for (AxisSet axes : kGroups) {
    EXPECT_EQ(mesh.Size(axes), 1);
    EXPECT_THAT(mesh.GroupOf(0, axes).ranks, ElementsAre(0));
  }
}

TEST(Mesh, DefaultLayoutFillsTheWorldWithReplicas) {
  const Mesh mesh({}, 6);
  EXPECT_EQ(mesh.Size(Axis::kDpReplicate), 6);
  EXPECT_EQ(mesh.Size(Axis::kEdpReplicate), 6);
  EXPECT_EQ(mesh.Coordinate(4, Axis::kDpReplicate), 4);
}

TEST(Mesh, NestsTpFastestAndPpSlowest) {
  const Mesh mesh(
      {.pp = 2, .dp_replicate = 3, .dp_shard = 2, .cp_ring = 2, .cp_ulysses = 2, .tp = 2}, 96);
  EXPECT_THAT(mesh.GroupOf(0, Axis::kTp).ranks, ElementsAre(0, 1));
  EXPECT_THAT(mesh.GroupOf(0, Axis::kCpUlysses).ranks, ElementsAre(0, 2));
  EXPECT_THAT(mesh.GroupOf(0, Axis::kCpRing).ranks, ElementsAre(0, 4));
  EXPECT_THAT(mesh.GroupOf(0, Axis::kDpShard).ranks, ElementsAre(0, 8));
  EXPECT_THAT(mesh.GroupOf(0, Axis::kDpReplicate).ranks, ElementsAre(0, 16, 32));
  EXPECT_THAT(mesh.GroupOf(0, Axis::kPp).ranks, ElementsAre(0, 48));
  EXPECT_THAT(mesh.GroupOf(1, kZeroAxes).ranks, ElementsAre(1, 3, 5, 7, 9, 11, 13, 15));
}

TEST(Mesh, ExpertAxesNestOverTheSameRanks) {
  const Mesh mesh({.pp = 2, .tp = 4, .edp_shard = 2, .ep = 2, .etp = 2}, 32);
  EXPECT_EQ(mesh.Size(Axis::kEdpReplicate), 2);
  EXPECT_THAT(mesh.GroupOf(0, Axis::kEtp).ranks, ElementsAre(0, 1));
  EXPECT_THAT(mesh.GroupOf(0, Axis::kEp).ranks, ElementsAre(0, 2));
  EXPECT_THAT(mesh.GroupOf(0, Axis::kEdpShard).ranks, ElementsAre(0, 4));
  EXPECT_THAT(mesh.GroupOf(0, Axis::kEdpReplicate).ranks, ElementsAre(0, 8));
  EXPECT_THAT(mesh.GroupOf(5, Axis::kPp).ranks, ElementsAre(5, 21));
}

TEST(Mesh, PlacementOnTheMachineSaysWhichRankStandsWhere) {
  const std::vector<int> placement = {3, 1, 0, 2};
  const Mesh mesh({.dp_replicate = 2, .tp = 2}, 4, placement);
  EXPECT_THAT(mesh.GroupOf(1, Axis::kTp).ranks, ElementsAre(3, 1));
  EXPECT_EQ(mesh.IndexInGroup(1, Axis::kTp), 1);
  EXPECT_THAT(mesh.GroupOf(2, Axis::kDpReplicate).ranks, ElementsAre(1, 2));
}

TEST(Mesh, GroupsOfAllMembersAgreeOnRandomMeshes) {
  Random random(1);
  for (int trial = 0; trial < 25; ++trial) {
    const Mesh mesh = RandomMesh(random);
    for (AxisSet axes : kGroups) {
      std::set<std::vector<int>> groups;
      for (int rank = 0; rank < mesh.world_size(); ++rank) {
        const MeshGroup group = mesh.GroupOf(rank, axes);
        ASSERT_EQ(group.size(), mesh.Size(axes));
        ASSERT_EQ(group.index, mesh.IndexInGroup(rank, axes));
        ASSERT_EQ(group.ranks[group.index], rank);
        groups.insert(group.ranks);
      }
      ASSERT_EQ(static_cast<int>(groups.size()) * mesh.Size(axes), mesh.world_size())
          << GroupName(axes);
    }
  }
}

TEST(Mesh, CoordinatesRoundTripOnRandomMeshes) {
  Random random(2);
  for (int trial = 0; trial < 25; ++trial) {
    const Mesh mesh = RandomMesh(random);
    for (AxisSet family : {kDenseAxes, kExpertAxes}) {
      std::set<std::vector<int>> seen;
      for (int rank = 0; rank < mesh.world_size(); ++rank) {
        std::vector<int> coordinates;
        int found = random.Below(mesh.world_size());  // any start leads to the same place
        for (Axis axis : AllAxes()) {
          if (!family.Contains(axis)) continue;
          coordinates.push_back(mesh.Coordinate(rank, axis));
          found = mesh.Peer(found, axis, coordinates.back());
        }
        ASSERT_EQ(found, rank);
        ASSERT_TRUE(seen.insert(coordinates).second);
      }
    }
  }
}

TEST(Mesh, MixingDenseAndExpertAxesIsRefused) {
  const Mesh mesh({}, 2);
  EXPECT_THROW(mesh.GroupOf(0, {Axis::kTp, Axis::kEp}), Error);
  EXPECT_THROW(mesh.GroupOf(2, Axis::kTp), Error);
  EXPECT_THROW(mesh.Peer(0, Axis::kTp, 1), Error);
}

TEST(Mesh, ProductUnequalToTheWorldNamesRuleAndNearestLayout) {
  EXPECT_EQ(
      ConfigErrorOf({.dp_replicate = 3, .tp = 2}, 8),
      "the dense axes pp 1 · dp_replicate 3 · dp_shard 1 · cp_ring 1 · cp_ulysses 1 · tp 2 = 6 "
      "must equal the world of 8 ranks; nearest valid layout: pp 1, dp_replicate 4, "
      "dp_shard 1, cp_ring 1, cp_ulysses 1, tp 2");
  EXPECT_EQ(
      ConfigErrorOf({.tp = 3}, 8),
      "the dense axes pp 1 · dp_shard 1 · cp_ring 1 · cp_ulysses 1 · tp 3 = 3 must divide the "
      "world of 8 ranks; nearest valid layout: pp 1, dp_replicate 2, dp_shard 1, cp_ring 1, "
      "cp_ulysses 1, tp 4");
}

TEST(Mesh, ExpertProductUnequalToTheWorldNamesRuleAndNearestLayout) {
  EXPECT_EQ(
      ConfigErrorOf({.pp = 2, .ep = 3}, 8),
      "the expert axes pp 2 · edp_shard 1 · ep 3 · etp 1 = 6 must divide the world of 8 ranks; "
      "nearest valid layout: pp 2, dp_replicate 4, dp_shard 1, cp_ring 1, cp_ulysses 1, tp 1, "
      "edp_replicate 1, edp_shard 1, ep 4, etp 1");
}

TEST(Mesh, SizesAndWorldsOutOfRangeAreRefused) {
  EXPECT_THAT(ConfigErrorOf({.tp = 0}, 4),
              AllOf(HasSubstr("tp = 0; an axis has at least 1 rank; nearest"), HasSubstr("tp 1")));
  EXPECT_THAT(ConfigErrorOf({.dp_replicate = -1}, 4), HasSubstr("or 0 to fill the world"));
  EXPECT_THAT(ConfigErrorOf({}, 0), HasSubstr("a world of 0 ranks"));
  EXPECT_THAT(ConfigErrorOf({}, 1 << 25), HasSubstr("at most 16777216"));
}

TEST(Mesh, SizesWhoseProductOverflowsAreRefused) {
  const int huge = 1 << 30;
  EXPECT_THAT(ConfigErrorOf({.pp = huge, .dp_shard = huge, .cp_ring = huge, .tp = huge}, 4),
              HasSubstr("nearest valid layout"));
}

TEST(Mesh, NearestLayoutIsValidAndKeepsValidOnes) {
  Random random(3);
  for (int trial = 0; trial < 200; ++trial) {
    AxisSizes sizes;
    for (Axis axis : AllAxes()) sizes.Set(axis, random.Below(4) + (random.Below(2) == 0 ? 1 : 0));
    const int world_size = 1 + random.Below(300);
    const AxisSizes nearest = NearestLayout(sizes, world_size);
    EXPECT_EQ(ToString(FillWorld(nearest, world_size)), ToString(nearest));
    EXPECT_EQ(ToString(NearestLayout(nearest, world_size)), ToString(nearest));
  }
}

TEST(Mesh, PlacementThatIsNoPermutationIsRefused) {
  EXPECT_THAT(ConfigErrorOf({}, 3, std::vector{0, 1}), HasSubstr("lists 2 ranks, the world has 3"));
  EXPECT_THAT(ConfigErrorOf({}, 3, std::vector{0, 1, 1}), HasSubstr("rank 1 at position 2 again"));
  EXPECT_THAT(ConfigErrorOf({}, 3, std::vector{0, 3, 1}),
              HasSubstr("rank 3 at position 1, outside the world of 3"));
}

TEST(Axis, GroupsAreNamedByTheirAxes) {
  EXPECT_EQ(GroupName({}), "self");
  EXPECT_EQ(GroupName(Axis::kCpRing), "cp_ring");
  EXPECT_EQ(GroupName(kZeroAxes), "zero");
  EXPECT_EQ(GroupName(kLossAxes), "loss");
  EXPECT_EQ(GroupName(kDenseAxes), "world");
  EXPECT_EQ(GroupName({Axis::kTp, Axis::kPp}), "pp+tp");
}

}  // namespace
}  // namespace cadmus
