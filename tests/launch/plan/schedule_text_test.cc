// SPDX-License-Identifier: Apache-2.0
#include "launch/plan/schedule_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/schedule/schedules.h"

namespace cadmus {
namespace {

using testing::HasSubstr;

TEST(ScheduleText, BubbleFractionIsThatOfAllRanks) {
  // (p − 1) / (m + p − 1)
  const auto bubble = [](ScheduleKind kind, int num_chunks) {
    return BubbleFraction(
        MakeSchedule(kind, {.num_ranks = 4, .num_chunks = num_chunks, .num_micro_batches = 8}));
  };
  EXPECT_DOUBLE_EQ(bubble(ScheduleKind::kGPipe, 1), 3.0 / 11);
  EXPECT_DOUBLE_EQ(bubble(ScheduleKind::kOneForwardOneBackward, 1), 3.0 / 11);
  EXPECT_DOUBLE_EQ(bubble(ScheduleKind::kInterleaved, 2), 3.0 / 19);
  EXPECT_DOUBLE_EQ(BubbleFraction(MakeSchedule(ScheduleKind::kGPipe, {.num_micro_batches = 3})), 0);
}

TEST(ScheduleText, ReportSaysBubblePeaksAndOrder) {
  const std::string text = ScheduleToReport(
      MakeSchedule(ScheduleKind::kOneForwardOneBackward, {.num_ranks = 2, .num_micro_batches = 3}));
  EXPECT_THAT(text, HasSubstr("2 pipeline ranks with 1 stage each, 3 micro-batches\n"
                              "bubble 25.0%: a step takes 12 where"));
  EXPECT_THAT(text, HasSubstr("          busy  bubble  act. input  act. weight\n"
                              "  rank 0     9   25.0%           2            2\n"
                              "  rank 1     9   25.0%           1            1\n"));
  EXPECT_THAT(text, HasSubstr("rank 0 | F0 F1 "));
  EXPECT_THAT(text, HasSubstr("rank 1 | .  F0 B0"));
}

}  // namespace
}  // namespace cadmus
