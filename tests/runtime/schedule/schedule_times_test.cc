// SPDX-License-Identifier: Apache-2.0
// Simulated bubbles equal the published closed forms (runtime/schedule/schedules.h).
#include "runtime/schedule/schedule_times.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/base/error.h"
#include "runtime/schedule/parameter_fetches.h"
#include "tests/runtime/schedule/schedule_samples.h"

namespace cadmus {
namespace {

// Small whole numbers, so that sums are exact.
constexpr PassTimes kTimes[] = {{1, 1, 1}, {2, 2, 1}, {2, 3, 2}};

double Work(const ScheduleSize& size, const PassTimes& t) {
  return size.num_micro_batches * size.num_chunks *
         (t.forward + t.backward_input + t.backward_weight);
}

// Of the step, as it is for every rank: all have the same work.
double Bubble(const Schedule& schedule, const PassTimes& t) {
  const ScheduleTimes times = SimulateTimes(schedule, t);
  const double bubble = times.makespan - Work(schedule.size, t);
  for (const RankTimes& rank : times.ranks) {
    EXPECT_EQ(rank.idle(), bubble);
    EXPECT_EQ(rank.bubble_fraction(), bubble / times.makespan);
  }
  return bubble;
}

void ExpectBubble(ScheduleKind kind, const std::vector<int>& chunks, double per_rank,
                  const PassTimes& t) {
  for (const int v : chunks) {
    for (const int p : {1, 2, 3, 4, 8, 16}) {
      for (const int m : {p, p + 1, 2 * p, 2 * p + 1, 3 * p + 2, 64}) {
        EXPECT_EQ(Bubble(MakeSchedule(kind, {p, v, m}), t), (p - 1) * per_rank)
            << Name(kind) << " p " << p << " v " << v << " m " << m;
      }
    }
  }
}

TEST(ScheduleTimes, GPipeOneForwardOneBackwardAndInterleaved) {
  for (const PassTimes& t : kTimes) {
    const double whole = t.forward + t.backward_input + t.backward_weight;
    ExpectBubble(ScheduleKind::kGPipe, {1}, whole, t);
    ExpectBubble(ScheduleKind::kOneForwardOneBackward, {1}, whole, t);
    // Also where the micro-batches do not fill the rounds.
    ExpectBubble(ScheduleKind::kInterleaved, {1, 2, 3, 4}, whole, t);
  }
}

TEST(ScheduleTimes, ZbH1) {
  for (const PassTimes& t : kTimes) {
    ExpectBubble(ScheduleKind::kZbH1, {1}, t.forward + t.backward_input - t.backward_weight, t);
  }
}

TEST(ScheduleTimes, ZbVHasNoBubbleInsideForEqualTimes) {
  for (const int p : {1, 2, 3, 4, 7, 8, 16}) {
    for (const int m : {2 * p - 1, 2 * p, 2 * p + 1, 3 * p + 2, 64}) {
      const Schedule schedule = MakeSchedule(ScheduleKind::kZbV, {p, 2, m});
      const ScheduleTimes times = SimulateTimes(schedule);
      for (int rank = 0; rank < p; ++rank) {
        const RankTimes& of_rank = times.ranks[static_cast<size_t>(rank)];
        EXPECT_EQ(of_rank.idle_inside(), 0) << "p " << p << " m " << m;
        EXPECT_EQ(of_rank.first, rank);
        EXPECT_EQ(of_rank.busy, Work(schedule.size, {}));
      }
      EXPECT_EQ(Bubble(schedule, {}), p - 1);  // they start one after the other
    }
  }
}

TEST(ScheduleTimes, DualPipeV) {
  for (const PassTimes& t : kTimes) {
    // (p−1)(F&B + B − 3W) with B = t_B + t_W; 2p is what they call PP.
    const double overlap = t.forward + t.backward_input + t.backward_weight;
    const double per_rank = overlap + t.backward_input - 2 * t.backward_weight;
    for (const int p : {1, 2, 3, 4, 8, 16}) {
      for (const int m : {2 * p, 2 * p + 1, 3 * p + 2, 64}) {
        const double bubble = Bubble(MakeSchedule(ScheduleKind::kDualPipeV, {p, 2, m}), t);
        // The published form assumes t_F = t_B; it is a bound where t_F < t_B.
        if (t.forward == t.backward_input) {
          EXPECT_EQ(bubble, (p - 1) * per_rank) << "p " << p << " m " << m;
        } else {
          EXPECT_LE(bubble, (p - 1) * per_rank) << "p " << p << " m " << m;
        }
      }
    }
  }
}

TEST(ScheduleTimes, OverlapMayTakeLessThanItsParts) {
  const Schedule schedule = MakeSchedule(ScheduleKind::kDualPipeV, {4, 2, 16});
  EXPECT_LT(SimulateTimes(schedule, {.overlap = 2.0}).makespan, SimulateTimes(schedule).makespan);
}

TEST(ScheduleTimes, SplittingIntoModulesHandsOverNoEarlier) {
  Schedule schedule = MakeSchedule(ScheduleKind::kOneForwardOneBackward, {4, 1, 8});
  const double whole = SimulateTimes(schedule).makespan;
  for (std::vector<Action>& actions : schedule.actions)
    actions = WithParameterFetches(actions, std::vector<int>{4}, 1);
  EXPECT_EQ(SimulateTimes(schedule).makespan, whole);
}

TEST(ScheduleTimes, AReceiveHoldsUpTransfersNotPasses) {
  // Rank 1 asks for the activation of micro-batch 1 before it sends the gradient of micro-batch 0.
  Schedule schedule = MakeSchedule(ScheduleKind::kOneForwardOneBackward, {2, 1, 2});
  std::vector<Action>& last = schedule.actions[1];
  ASSERT_EQ(last[3].kind, ActionKind::kSend);
  ASSERT_EQ(last[4].kind, ActionKind::kReceive);
  const double before = SimulateTimes(schedule).makespan;
  std::swap(last[3], last[4]);
  EXPECT_EQ(SimulateTimes(schedule).makespan, before);
  EXPECT_EQ(SimulateTimes(schedule).spans[1][4].begin, 4);
}

TEST(ScheduleTimes, NamesARankThatWaitsForEver) {
  Schedule schedule = MakeSchedule(ScheduleKind::kGPipe, {2, 1, 1});
  schedule.actions[0].clear();
  try {
    SimulateTimes(schedule);
    FAIL() << "must not end";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kConfig);
    EXPECT_THAT(error.message(),
                testing::HasSubstr("rank 1 waits for ever at action 0 (receive activation"));
  }
}

}  // namespace
}  // namespace cadmus
