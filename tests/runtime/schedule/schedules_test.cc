// SPDX-License-Identifier: Apache-2.0
// Every built-in schedule, of any size, is a training step whose sums have one order.
#include "runtime/schedule/schedules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "kernels/base/error.h"
#include "runtime/schedule/passes.h"
#include "runtime/schedule/verifier.h"
#include "tests/runtime/schedule/schedule_samples.h"

namespace cadmus {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Schedules, AllSizesAreTrainingSteps) {
  for (const ScheduleSample& sample : Samples({1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16},
                                              {1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 32, 64})) {
    EXPECT_THAT(FindProblems(MakeSchedule(sample.kind, sample.size)), IsEmpty())
        << ToString(sample);
  }
}

TEST(Schedules, EveryChunkTakesItsMicroBatchesInAscendingOrder) {
  for (const ScheduleSample& sample : Samples({1, 2, 3, 4, 8}, {1, 2, 3, 5, 8, 16, 19})) {
    const Schedule schedule = MakeSchedule(sample.kind, sample.size);
    std::vector<int> ascending(static_cast<size_t>(sample.size.num_micro_batches));
    std::iota(ascending.begin(), ascending.end(), 0);
    for (const std::vector<Action>& actions : schedule.actions) {
      std::map<std::pair<int, bool>, std::vector<int>> order;  // of (chunk, adds to gradients)
      for (const Action& action : actions) {
        for (const Pass& pass : PassesOf(action)) {
          if (pass.kind == ActionKind::kBackwardInput) continue;
          order[{pass.chunk, MakesWeightGradient(pass.kind)}].push_back(pass.micro_batch);
        }
      }
      EXPECT_EQ(order.size(), static_cast<size_t>(2 * sample.size.num_chunks));
      for (const auto& [what, micro_batches] : order)
        EXPECT_EQ(micro_batches, ascending) << ToString(sample);
    }
  }
}

TEST(Schedules, StagesLieInRoundsOrInAV) {
  EXPECT_THAT(MakeSchedule(ScheduleKind::kGPipe, {3, 1, 2}).stage_of,
              ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(2)));
  EXPECT_THAT(MakeSchedule(ScheduleKind::kInterleaved, {2, 3, 2}).stage_of,
              ElementsAre(ElementsAre(0, 2, 4), ElementsAre(1, 3, 5)));
  for (const ScheduleKind kind : {ScheduleKind::kZbV, ScheduleKind::kDualPipeV}) {
    EXPECT_THAT(MakeSchedule(kind, {3, 2, 2}).stage_of,
                ElementsAre(ElementsAre(0, 5), ElementsAre(1, 4), ElementsAre(2, 3)));
  }
}

TEST(Schedules, OneStageNeedsNoTransferAndNoTie) {
  EXPECT_EQ(MakeSchedule(ScheduleKind::kOneForwardOneBackward, {1, 1, 1}).actions[0],
            (std::vector<Action>{{.kind = ActionKind::kForward, .micro_batch = 0},
                                 {.kind = ActionKind::kBackward, .micro_batch = 0},
                                 {.kind = ActionKind::kReduceGradients},
                                 {.kind = ActionKind::kOptimizer}}));
}

TEST(Schedules, DualPipeVRunsForwardBesideBackward) {
  for (const std::vector<Action>& actions :
       MakeSchedule(ScheduleKind::kDualPipeV, {4, 2, 16}).actions) {
    int overlaps = 0;
    for (const Action& action : actions) {
      if (action.kind != ActionKind::kOverlap) continue;
      ++overlaps;
      EXPECT_NE(action.chunk, action.backward_chunk);
    }
    EXPECT_GE(overlaps, 2 * (16 - 2 * 4));
  }
}

// The refusal's message.
std::string WhyNot(ScheduleKind kind, const ScheduleSize& size) {
  try {
    MakeSchedule(kind, size);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kConfig);
    return error.message();
  }
  return "";
}

TEST(Schedules, RefuseSizesThatTheyDoNotHave) {
  EXPECT_THAT(WhyNot(ScheduleKind::kGPipe, {0, 1, 4}), HasSubstr("0 ranks; give at least 1"));
  EXPECT_THAT(WhyNot(ScheduleKind::kZbV, {2, -1, 4}), HasSubstr("-1 chunks; give at least 1"));
  EXPECT_THAT(WhyNot(ScheduleKind::kZbH1, {2, 1, 0}), HasSubstr("0 micro-batches"));
  EXPECT_THAT(WhyNot(ScheduleKind::kOneForwardOneBackward, {2, 2, 4}),
              AllOf(HasSubstr("1f1b"), HasSubstr("it has 1"), HasSubstr("interleaved")));
  EXPECT_THAT(WhyNot(ScheduleKind::kDualPipeV, {2, 4, 4}),
              AllOf(HasSubstr("dualpipev"), HasSubstr("it has 2")));
}

}  // namespace
}  // namespace cadmus
