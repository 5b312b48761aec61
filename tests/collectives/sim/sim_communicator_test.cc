// SPDX-License-Identifier: Apache-2.0
#include "collectives/sim/sim_communicator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "collectives/local/local_world.h"
#include "kernels/device/trace.h"
#include "kernels/open_device.h"

namespace cadmus {
namespace {

constexpr int kNumRanks = 3;
constexpr int64_t kMemoryBytes = int64_t{64} << 20;

// One entry in words, addresses relative to the device's first.
std::vector<std::string> InWords(const Trace& trace, const void* base) {
  std::vector<std::string> lines;
  for (const TraceEntry& entry : trace.entries()) {
    std::string line = StrCat(static_cast<int>(entry.kind), " stream ", entry.stream, " ",
                              entry.name, " '", entry.detail, "' ", entry.payload_bytes);
    for (const MemoryAccess& access : entry.accesses) {
      const auto origin = reinterpret_cast<uint64_t>(base);
      line += StrCat(" ", access.view, static_cast<int>(access.mode), "[", access.begin - origin,
                     ", ", access.end - origin, ")");
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

struct Recording {
  std::vector<std::string> entries;
  MemoryStats memory;
};

// Every kind of call, over the world and a group of it.
Recording RecordCalls(Bootstrap& bootstrap, Device& device) {
  const auto world = bootstrap.Connect(device, {.limit = std::chrono::seconds(20)});
  const auto stream = device.NewStream(StreamKind::kCommunication, "communication");
  const Tensor large =
      world->Allocate(DType::kF32, {kNumRanks, 5}, MemoryCategory::kGradients, *stream);
  const Tensor small = world->Allocate(DType::kF32, {5}, MemoryCategory::kGradients, *stream);
  const Tensor copy =
      world->Allocate(DType::kF32, {kNumRanks, 5}, MemoryCategory::kWorkspace, *stream);
  Trace trace;
  Trace* const earlier = device.trace();
  device.set_trace(&trace);

  device.FillZero(large, *stream);
  device.FillZero(small, *stream);
  world->AllReduce({.buffer = large, .site = "gradients"}, *stream);
  world->ReduceScatter({.input = large, .output = small, .site = "gradients"}, *stream);
  world->AllGather({.input = small, .output = large, .site = "parameters"}, *stream);
  world->AllToAll({.input = large, .output = copy, .site = "heads"}, *stream);
  const std::vector<int64_t> counts = {1, 2, 4};
  std::vector<int64_t> from(kNumRanks, counts[static_cast<size_t>(world->rank())]);
  world->AllToAllUneven({.input = large.view().Reshape({15}).Slice(0, 0, 7),
                         .input_counts = counts,
                         .output = copy.view().Reshape({15}).Slice(0, 0, kNumRanks * from[0]),
                         .output_counts = from,
                         .site = "tokens"},
                        *stream);
  world->Broadcast({.buffer = small, .root = 1, .site = "cursor"}, *stream);
  {
    Group ring(*world);
    world->Send({.buffer = small, .peer = (world->rank() + 1) % kNumRanks, .site = "ring"},
                *stream);
    world->Receive({.buffer = copy.view().Reshape({15}).Slice(0, 0, 5),
                    .peer = (world->rank() + kNumRanks - 1) % kNumRanks,
                    .site = "ring"},
                   *stream);
  }
  const int members[] = {2, 0};
  std::unique_ptr<Communicator> pair;
  if (world->rank() != 1) {
    pair = world->MakeGroup(members, "pair");
    pair->AllReduce({.buffer = small, .site = "of two"}, *stream);
  }
  world->Barrier("end", *stream);
  stream->Synchronize(std::chrono::seconds(60));

  device.set_trace(earlier);
  return {InWords(trace, large.view().raw()), device.allocator().stats()};
}

TEST(SimCommunicator, RecordsWhatLocalRanksDo) {
  std::vector<Recording> local(kNumRanks);
  const auto pool = MakeThreadPool(1);
  RunLocalRanks(kNumRanks, [&](Bootstrap& bootstrap) {
    DeviceOptions options;
    options.memory_bytes = kMemoryBytes;
    options.pool = pool;
    const auto device = OpenDevice(options);
    local[static_cast<size_t>(bootstrap.rank())] = RecordCalls(bootstrap, *device);
  });
  for (int rank = 0; rank < kNumRanks; ++rank) {
    DeviceOptions options;
    options.kind = DeviceKind::kSim;
    options.memory_bytes = kMemoryBytes;
    const auto device = OpenDevice(options);
    SimBootstrap bootstrap(rank, kNumRanks);
    const Recording sim = RecordCalls(bootstrap, *device);
    const Recording& real = local[static_cast<size_t>(rank)];
    EXPECT_EQ(sim.entries, real.entries) << "rank " << rank;
    EXPECT_EQ(sim.memory.peak_bytes, real.memory.peak_bytes) << "rank " << rank;
    EXPECT_EQ(sim.memory.high_water_bytes, real.memory.high_water_bytes) << "rank " << rank;
    EXPECT_THAT(sim.entries, ::testing::Contains(::testing::HasSubstr(
                                 "world/all-reduce 'gradients' 60 buffer2[0, 60)")));
  }
}

TEST(SimCommunicator, StandsForAnyRankOfALargeWorld) {
  DeviceOptions options;
  options.kind = DeviceKind::kSim;
  options.memory_bytes = kMemoryBytes;
  const auto device = OpenDevice(options);
  const auto stream = device->NewStream(StreamKind::kCompute, "compute");
  SimBootstrap bootstrap(99999, 131072);
  const auto world = bootstrap.Connect(*device);
  Tensor buffer(DType::kF64, {8}, MemoryCategory::kGradients, *stream);
  world->AllReduce({.buffer = buffer, .site = "norm"}, *stream);
  const int members[] = {4, 99999};
  const auto pair = world->MakeGroup(members, "pair");
  EXPECT_EQ(pair->rank(), 1);
  EXPECT_EQ(pair->size(), 2);
  EXPECT_EQ(device->trace()->entries().back().name, "world/all-reduce");
}

// The ranks of an NCCL group meet over another, which takes memory too.
TEST(SimCommunicator, GroupsOfNcclTakeTheRoomOfTheirMeeting) {
  const auto communication_bytes = [](SimGroups groups) {
    const auto device = OpenDevice({.kind = DeviceKind::kSim});
    SimBootstrap bootstrap(0, 4, groups);
    const auto world = bootstrap.Connect(*device, {.workspace_bytes = 1 << 16});
    const int members[] = {0, 2};
    const auto pair = world->MakeGroup(members, "pair");
    constexpr auto kCategory = static_cast<size_t>(MemoryCategory::kCommunication);
    return device->allocator().stats().current_bytes[kCategory];
  };
  EXPECT_EQ(communication_bytes(SimGroups::kInRankOrder), 2 << 16);
  EXPECT_EQ(communication_bytes(SimGroups::kNccl), (2 << 16) + 2 * 4096);
}

TEST(SimCommunicator, RefusesAGroupWithoutItselfAndRevocation) {
  DeviceOptions options;
  options.kind = DeviceKind::kSim;
  options.memory_bytes = kMemoryBytes;
  const auto device = OpenDevice(options);
  SimCommunicator group("dp_shard", 1, 4, *device);
  const int others[] = {0, 2};
  EXPECT_THROW(group.MakeGroup(others, "others"), Error);
  const int outside[] = {1, 4};
  EXPECT_THROW(group.MakeGroup(outside, "outside"), Error);
  EXPECT_THROW(group.Revoke("a test"), Error);
  EXPECT_THROW(group.Rebuild(1, others), Error);
}

}  // namespace
}  // namespace cadmus
