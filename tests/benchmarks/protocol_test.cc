// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/timing/protocol.h"

#include <gmock/gmock.h>

#include "kernels/base/error.h"
#include "tests/benchmarks/fake_machine.h"

namespace cadmus::timing {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::HasSubstr;

constexpr double kMilli = 1e-3;
constexpr double kClock = 1e-12;  // what adding up many calls may cost

Contestant Steady(FakeMachine& machine, double seconds, const char* name = "steady") {
  return {name, [&machine, seconds](int64_t) { machine.Enqueue(seconds); }};
}

std::string OrderOf(const Alternation& alternation) {
  std::string order;
  for (const Block& block : alternation.blocks) order += block.side == Side::kA ? 'A' : 'B';
  return order;
}

TEST(TimingProtocol, AlternatesSoThatEachSideGoesFirstEquallyOften) {
  FakeMachine machine;
  const Contestant a = Steady(machine, 1 * kMilli), b = Steady(machine, 2 * kMilli);
  const Alternation result = Alternate(a, b, Protocol{}, machine);
  EXPECT_EQ(OrderOf(result), "ABBAABBAABBAABBA");
  EXPECT_NEAR(result.a.median, 1 * kMilli, kClock);
  EXPECT_NEAR(result.b.median, 2 * kMilli, kClock);
  EXPECT_NEAR(result.ratio, 0.5, 1e-9);
  EXPECT_NEAR(result.pair_ratios.spread(), 0, 1e-9);
  EXPECT_THROW(Alternate(a, b, {.blocks_per_side = 7}, machine), Error);
}

TEST(TimingProtocol, GivesEveryBlockItsTimeWithoutIdlingAndDropsTheBeginning) {
  FakeMachine machine;
  const Contestant call = Steady(machine, 0.3 * kMilli);
  const int64_t per_chunk = CallsPerChunk(call, Protocol{}, machine);
  EXPECT_EQ(per_chunk, 32);  // the first power of two that takes 5 ms
  const int idle_before = machine.times_idle();
  const double start = machine.Seconds();
  int64_t next_call = 0;
  const Block block = RunBlock(call, per_chunk, next_call, Protocol{}, machine);
  EXPECT_GE(machine.Seconds() - start, 0.3);
  EXPECT_EQ(machine.times_idle(), idle_before + 1);  // before the block
  const double counted = static_cast<double>(block.calls) * block.seconds_per_call;
  EXPECT_THAT(counted, DoubleNear(0.25, 2 * 0.01));
  EXPECT_GE(next_call, block.calls + 6 * per_chunk);  // 50 ms, and the chunk that was in flight
  EXPECT_EQ(block.reading->sm_mhz, 1755);
}

TEST(TimingProtocol, WhatIsSlowAtFirstInABlockDoesNotCount) {
  FakeMachine machine;
  double block_start = 0;
  // Slow for 40 ms whenever it comes after a pause in which the other ran.
  const auto cold_at_first = [&](const void*& last, const void* self, double seconds) {
    if (last != self) block_start = machine.busy_until();
    last = self;
    machine.Enqueue(machine.busy_until() - block_start < 40 * kMilli ? 3 * seconds : seconds);
  };
  const void* last = nullptr;
  int a_id = 0, b_id = 0;
  const Contestant a{"a", [&](int64_t) { cold_at_first(last, &a_id, 1 * kMilli); }};
  const Contestant b{"b", [&](int64_t) { cold_at_first(last, &b_id, 1 * kMilli); }};
  const Alternation result = Alternate(a, b, Protocol{}, machine);
  std::vector<double> seconds;
  for (const Block& block : result.blocks) seconds.push_back(block.seconds_per_call);
  EXPECT_THAT(seconds, Each(DoubleNear(1 * kMilli, 1e-9)));
}

TEST(TimingProtocol, ASteadyDriftCancels) {
  FakeMachine machine;
  const double start = machine.Seconds();
  const auto drifting = [&](double seconds) {
    return [&machine, start, seconds](int64_t) {
      machine.Enqueue(seconds * (1 + 0.02 * (machine.busy_until() - start)));  // 2 % a second
    };
  };
  const Contestant a{"a", drifting(1 * kMilli)}, b{"b", drifting(1.1 * kMilli)};
  const Alternation result = Alternate(a, b, Protocol{}, machine);
  EXPECT_GT(result.a.spread(), 0.05);
  EXPECT_THAT(result.ratio, DoubleNear(1 / 1.1, 2e-3));
}

TEST(TimingProtocol, TrustsAMachineWhoseControlAgreesWithItself) {
  FakeMachine machine;
  const Contestant a = Steady(machine, 1 * kMilli), b = Steady(machine, 3 * kMilli);
  const Measurement result = Measure(a, &b, Protocol{}, machine);
  EXPECT_TRUE(result.trusted);
  EXPECT_NEAR(result.control.ratio, 1, 1e-9);
  EXPECT_NEAR(result.contest->ratio, 1.0 / 3, 1e-9);
  EXPECT_FALSE(Measure(a, nullptr, Protocol{}, machine).contest.has_value());
}

TEST(TimingProtocol, DoesNotTrustAMachineThatTreatsTheSameCallsDifferently) {
  FakeMachine machine;
  // What alternation cannot cancel: of four blocks the second and third are slow, whoever they are.
  const Contestant a{"a", [&](int64_t) {
                       const int block = machine.readings() % 4;
                       machine.Enqueue((block == 1 || block == 2 ? 1.03 : 1) * kMilli);
                     }};
  const Measurement result = Measure(a, nullptr, Protocol{}, machine);
  EXPECT_FALSE(result.trusted) << result.control.ratio;
}

TEST(TimingProtocol, NumbersTheCallsOfEachSideSoThatInputsRotate) {
  FakeMachine machine;
  std::vector<int64_t> calls;
  const Contestant a{"a", [&](int64_t call) {
                       calls.push_back(call);
                       machine.Enqueue(10 * kMilli);
                     }};
  int64_t next_call = 0;
  RunBlock(a, 1, next_call, Protocol{}, machine);
  RunBlock(a, 1, next_call, Protocol{}, machine);
  ASSERT_EQ(next_call, static_cast<int64_t>(calls.size()));
  for (size_t i = 0; i < calls.size(); ++i) EXPECT_EQ(calls[i], static_cast<int64_t>(i));
}

TEST(TimingProtocol, CountsACallThatIsLongerThanABlock) {
  FakeMachine machine;
  const Contestant call = Steady(machine, 2.0);
  int64_t next_call = 0;
  const Block block = RunBlock(call, 1, next_call, Protocol{}, machine);
  EXPECT_EQ(block.calls, 1);
  EXPECT_DOUBLE_EQ(block.seconds_per_call, 2.0);
}

TEST(TimingProtocol, NamesAContestantThatDoesNothing) {
  FakeMachine machine;
  const Contestant nothing = Steady(machine, 0, "nothing");
  try {
    CallsPerChunk(nothing, Protocol{}, machine);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("nothing: "));
  }
}

}  // namespace
}  // namespace cadmus::timing
