// SPDX-License-Identifier: Apache-2.0
// Transfers and reductions follow from the passes.
#include "runtime/schedule/complete_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/schedule/schedule_words.h"
#include "runtime/schedule/schedules.h"
#include "runtime/schedule/verifier.h"

namespace cadmus {
namespace {

// A rank's list as the words of schedule files.
std::string Words(const Schedule& schedule, size_t rank) {
  std::string words;
  for (const Action& action : schedule.actions[rank])
    words += (words.empty() ? "" : " ") + ToWord(action, schedule.size.num_chunks);
  return words;
}

TEST(CompleteSchedule, TransfersStandNextToTheirPasses) {
  const Schedule schedule = MakeSchedule(ScheduleKind::kOneForwardOneBackward, {3, 1, 2});
  EXPECT_EQ(Words(schedule, 0), "F0 SA0 F1 SA1 RG0 B0 RG1 B1 D0 T U");
  EXPECT_EQ(Words(schedule, 1), "RA0 F0 SA0 RA1 F1 SA1 RG0 B0 SG0 RG1 B1 SG1 D0 T U");
  EXPECT_EQ(Words(schedule, 2), "RA0 F0 B0 SG0 RA1 F1 B1 SG1 D0 T U");
}

TEST(CompleteSchedule, StagesOnOneRankHandOverThemselves) {
  const Schedule schedule = MakeSchedule(ScheduleKind::kZbV, {2, 2, 1});
  EXPECT_EQ(Words(schedule, 0), "F0.0 SA0.0 RA1.0 F1.0 I1.0 SG1.0 W1.0 D1 RG0.0 I0.0 W0.0 D0 T U");
  EXPECT_EQ(Words(schedule, 1), "RA0.0 F0.0 F1.0 SA1.0 RG1.0 I1.0 W1.0 D1 I0.0 SG0.0 W0.0 D0 T U");
}

TEST(CompleteSchedule, WhatIsNeededLaterThanItsSuccessorIsReceivedEarly) {
  // Stages 1 and 3 lie on rank 1, which takes what stages 0 and 2 made in the other order.
  Schedule schedule;
  schedule.size = {.num_ranks = 2, .num_chunks = 2, .num_micro_batches = 2};
  schedule.stage_of = {{0, 2}, {1, 3}};
  const auto pass = [](ActionKind kind, int chunk, int micro_batch) {
    return Action{.kind = kind, .chunk = chunk, .micro_batch = micro_batch};
  };
  constexpr ActionKind kF = ActionKind::kForward;
  constexpr ActionKind kB = ActionKind::kBackward;
  schedule.actions = {{pass(kF, 0, 0), pass(kF, 0, 1), pass(kF, 1, 0), pass(kB, 1, 0),
                       pass(kF, 1, 1), pass(kB, 1, 1), pass(kB, 0, 0), pass(kB, 0, 1)},
                      {pass(kF, 0, 0), pass(kF, 1, 0), pass(kF, 0, 1), pass(kB, 1, 0),
                       pass(kF, 1, 1), pass(kB, 1, 1), pass(kB, 0, 0), pass(kB, 0, 1)}};
  AddReductions(schedule);
  AddTransfers(schedule);
  EXPECT_THAT(Words(schedule, 1), testing::StartsWith("RA0.0 F0.0 SA0.0 RA0.1 RA1.0 F1.0 F0.1"));
  EXPECT_THAT(FindProblems(schedule), testing::IsEmpty());
}

}  // namespace
}  // namespace cadmus
