// SPDX-License-Identifier: Apache-2.0
// The path of a step: its waits are complete and none is idle, it asks the heap for nothing, and
// its addresses repeat.
#include <barrier>
#include <vector>

#include <gtest/gtest.h>
#include "collectives/local/local_world.h"
#include "collectives/sim/sim_communicator.h"
#include "kernels/device/trace.h"
#include "kernels/sim/hazard_check.h"
#include "tests/runtime/parallel/data/toy_rank.h"
#include "tests/support/allocation_count.h"

namespace cadmus {
namespace {

constexpr int kMicroBatches = 3;

// A table of the first and the last chunk, or of two stages, with rows that are partial.
ToyModel TwoChunks(Communicator& same_place) {
  ToyModel model = AwkwardModel();
  Parameter* const table = &model.parameters.front();
  table->num_uses = 1;
  table->partial_rows = {{.begin = 0, .end = 2, .ranks = &same_place}};
  Parameter* const last = model.chunks[0].back();
  last->holders = &same_place;
  model.chunks[0].pop_back();
  model.chunks.push_back({last, table});
  return model;
}

std::vector<ToyLayout> Layouts() {
  std::vector<ToyLayout> layouts;
  for (const int zero : {1, 2, 3}) {
    for (const Overlap overlap : {Overlap::kOff, Overlap::kOn}) {
      for (const int dp_replicate : {1, 2}) {
        layouts.push_back({.dp_replicate = dp_replicate,
                           .dp_shard = 2,
                           .options = {.zero = zero, .bucket_bytes = 300, .overlap = overlap},
                           .num_grids = 2});
      }
    }
  }
  layouts.push_back({.num_grids = 2});
  layouts.push_back({.dp_replicate = 2});
  return layouts;
}

std::string ToString(const ToyLayout& layout) {
  return StrCat("zero ", layout.options.zero, ", dp_shard ", layout.dp_shard, ", dp_replicate ",
                layout.dp_replicate, layout.options.overlap == Overlap::kOn ? "" : ", no overlap");
}

// Three steps of rank 0.
Trace Record(ToyLayout layout) {
  layout.device = DeviceKind::kSim;
  SimBootstrap bootstrap(0, layout.num_ranks());
  ToyRank rank(bootstrap, layout, TwoChunks);
  Trace trace;
  rank.device().set_trace(&trace);
  for (int step = 0; step < 3; ++step) rank.Step(step, kMicroBatches, SmallInteger);
  rank.device().set_trace(nullptr);
  return trace;
}

TEST(DataParallelPath, HasNoHazard) {
  for (const ToyLayout& layout : Layouts()) {
    const auto hazards = sim::FindHazards(Record(layout));
    EXPECT_TRUE(hazards.empty()) << ToString(layout) << ": " << hazards.size()
                                 << " hazards, first: " << hazards.front().ToString();
  }
}

Trace Without(const std::vector<TraceEntry>& entries, size_t left_out) {
  Trace trace;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i != left_out) trace.Append(entries[i]);
  }
  return trace;
}

// With zero 2 and 3 the allocator's waits, made where memory is handed out again, cover some
// others.
TEST(DataParallelPath, WithZeroOneEachWaitOfTheFirstTwoStepsIsNeeded) {
  for (const int dp_replicate : {1, 2}) {
    const ToyLayout layout = {.dp_replicate = dp_replicate,
                              .dp_shard = 2,
                              .options = {.zero = 1, .bucket_bytes = 300},
                              .num_grids = 2};
    const std::vector<TraceEntry> entries = Record(layout).entries();
    int num_waits = 0;
    for (size_t i = 0; i < entries.size() * 2 / 3; ++i) {
      if (entries[i].kind != TraceEntry::Kind::kWait) continue;
      ++num_waits;
      EXPECT_FALSE(sim::FindHazards(Without(entries, i)).empty())
          << ToString(layout) << ": wait at entry " << i << " by stream " << entries[i].stream
          << " for event " << entries[i].event;
    }
    EXPECT_GE(num_waits, 20);
  }
}

TEST(DataParallelPath, AsksTheHeapForNothingAndRepeatsItsAddresses) {
  for (const ToyLayout& layout : Layouts()) {
    std::barrier together(layout.num_ranks());
    RunLocalRanks(layout.num_ranks(), [&](Bootstrap& bootstrap) {
      ToyRank rank(bootstrap, layout, TwoChunks);
      uint64_t hash = 0;
      for (int step = 0; step < 5; ++step) {
        rank.device().allocator().ResetAddressHash();
        rank.PrepareStep(step, kMicroBatches, SmallInteger);
        together.arrive_and_wait();
        const int64_t before = NumAllocations();
        together.arrive_and_wait();
        rank.RunStep(kMicroBatches);
        together.arrive_and_wait();
        if (step >= 2) {
          EXPECT_EQ(NumAllocations(), before) << ToString(layout) << ", step " << step;
          EXPECT_EQ(rank.device().allocator().address_hash(), hash) << ToString(layout);
        }
        hash = rank.device().allocator().address_hash();
        together.arrive_and_wait();
        rank.EndStep();
      }
    });
  }
}

}  // namespace
}  // namespace cadmus
