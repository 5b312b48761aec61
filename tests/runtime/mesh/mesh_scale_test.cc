// SPDX-License-Identifier: Apache-2.0
// A mesh of 131,072 ranks: its cost in time and in bytes, and that it stays correct.
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <new>

#include "runtime/mesh/mesh.h"
#include "tests/runtime/mesh/random_mesh.h"

namespace {

constexpr size_t kHeader = alignof(std::max_align_t);
std::atomic<int64_t> live_bytes = 0;
std::atomic<int64_t> peak_bytes = 0;

}  // namespace

// Every allocation of this binary is counted: its size stands before it.
void* operator new(size_t size) {
  auto* block = static_cast<char*>(std::malloc(size + kHeader));
  if (block == nullptr) throw std::bad_alloc();
  *reinterpret_cast<size_t*>(block) = size;
  const int64_t live = live_bytes += static_cast<int64_t>(size);
  if (live > peak_bytes) peak_bytes = live;
  return block + kHeader;
}
void operator delete(void* data) noexcept {
  if (data == nullptr) return;
  char* block = static_cast<char*>(data) - kHeader;
  live_bytes -= static_cast<int64_t>(*reinterpret_cast<size_t*>(block));
  std::free(block);
}
void operator delete(void* data, size_t) noexcept { operator delete(data); }

namespace cadmus {
namespace {

constexpr int kWorld = 131072;
constexpr AxisSizes kSizes = {.pp = 16,
                              .dp_replicate = 2,
                              .dp_shard = 64,
                              .cp_ring = 4,
                              .cp_ulysses = 2,
                              .tp = 8,
                              .edp_replicate = 0,
                              .edp_shard = 16,
                              .ep = 64};

std::vector<MeshGroup> OwnGroups(const Mesh& mesh, int rank) {
  std::vector<MeshGroup> groups;
  for (Axis axis : AllAxes()) groups.push_back(mesh.GroupOf(rank, axis));
  for (AxisSet axes : {kDpAxes, kCpAxes, kZeroAxes, kLossAxes, kEdpAxes}) {
    groups.push_back(mesh.GroupOf(rank, axes));
  }
  return groups;
}

// The bar is the product's; a build without optimisation, as for sanitizers, is ten times as slow.
#ifdef __OPTIMIZE__
constexpr double kMillisecondsAllowed = 50;
#else
constexpr double kMillisecondsAllowed = 500;
#endif

struct Cost {
  double milliseconds;
  int64_t bytes;
};

// Processor time, whatever else the machine does, and the most bytes at a time.
template <class Make>
Cost CostOf(const Make& make) {
  const int64_t before = live_bytes;
  peak_bytes = before;
  const std::clock_t start = std::clock();
  make();
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  return {.milliseconds = seconds * 1000, .bytes = peak_bytes - before};
}

Cost CostOfOwnGroups(std::span<const int> placement) {
  return CostOf([&] {
    const Mesh mesh(kSizes, kWorld, placement);
    EXPECT_EQ(OwnGroups(mesh, kWorld - 1).size(), 15u);
  });
}

TEST(MeshScale, MeshAndOwnGroupsOf131072RanksAreQuickAndSmall) {
  const Cost cost = CostOfOwnGroups({});
  EXPECT_LT(cost.milliseconds, kMillisecondsAllowed);
  EXPECT_LT(cost.bytes, 1'000'000);
  RecordProperty("microseconds", static_cast<int>(cost.milliseconds * 1000));
  RecordProperty("bytes", static_cast<int>(cost.bytes));
}

// A layout of a trillion parameters, and all groups that a training step works with: those over
// which gradients' norms are added span the world, and are still the rank's own only.
TEST(MeshScale, GroupsOfATrainingStepOf131072RanksAreQuickAndSmall) {
  constexpr int kRank = 70'001;
  const Cost cost = CostOf([&] {
    const Mesh mesh({.pp = 16, .dp_shard = 1024, .tp = 8}, kWorld);
    std::vector<MeshGroup> groups;
    for (AxisSet axes :
         {AxisSet(Axis::kTp), AxisSet(Axis::kDpShard), AxisSet(Axis::kDpReplicate),
          AxisSet(Axis::kPp), kLossAxes, AxisSet{Axis::kPp, Axis::kDpShard, Axis::kTp}}) {
      groups.push_back(mesh.GroupOf(kRank, axes));
      EXPECT_EQ(groups.back().ranks[groups.back().index], kRank);
      EXPECT_EQ(groups.back().size(), mesh.Size(axes));
    }
    EXPECT_EQ(groups.back().size(), kWorld);
  });
  EXPECT_LT(cost.milliseconds, kMillisecondsAllowed);
  EXPECT_LT(cost.bytes, 1'000'000);
  RecordProperty("microseconds", static_cast<int>(cost.milliseconds * 1000));
  RecordProperty("bytes", static_cast<int>(cost.bytes));
}

TEST(MeshScale, MeshOf131072PermutedRanksIsQuickAndSmall) {
  Random random(4);
  const std::vector<int> placement = RandomPermutation(random, kWorld);
  const Cost cost = CostOfOwnGroups(placement);
  EXPECT_LT(cost.milliseconds, kMillisecondsAllowed);
  EXPECT_LT(cost.bytes, 1'000'000);
  RecordProperty("microseconds", static_cast<int>(cost.milliseconds * 1000));
  RecordProperty("bytes", static_cast<int>(cost.bytes));
}

TEST(MeshScale, CoordinatesOf131072RanksRoundTrip) {
  Random random(5);
  const std::vector<int> placement = RandomPermutation(random, kWorld);
  const Mesh mesh(kSizes, kWorld, placement);
  for (AxisSet family : {kDenseAxes, kExpertAxes}) {
    for (int rank = 0; rank < kWorld; ++rank) {
      ASSERT_EQ(mesh.Peer(0, family, mesh.IndexInGroup(rank, family)), rank);
    }
  }
}

TEST(MeshScale, GroupsOfAllMembersAgreeAmong131072Ranks) {
  Random random(6);
  const std::vector<int> placement = RandomPermutation(random, kWorld);
  const Mesh mesh(kSizes, kWorld, placement);
  const int rank = random.Below(kWorld);
  for (AxisSet axes :
       {AxisSet(Axis::kPp), AxisSet(Axis::kTp), kZeroAxes, kEdpAxes, AxisSet(Axis::kEp)}) {
    const MeshGroup own = mesh.GroupOf(rank, axes);
    for (int i = 0; i < own.size(); ++i) {
      const MeshGroup other = mesh.GroupOf(own.ranks[i], axes);
      ASSERT_EQ(other.ranks, own.ranks);
      ASSERT_EQ(other.index, i);
    }
  }
}

}  // namespace
}  // namespace cadmus
