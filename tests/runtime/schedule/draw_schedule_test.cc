// SPDX-License-Identifier: Apache-2.0
// Pictures show each pass at its time.
#include "runtime/schedule/draw_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/schedule/parameter_fetches.h"
#include "tests/runtime/schedule/schedule_samples.h"

namespace cadmus {
namespace {

using testing::AllOf;
using testing::HasSubstr;

size_t Count(const std::string& text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(DrawSchedule, TextHasARowPerRankAndAColumnPerUnit) {
  EXPECT_EQ(DrawText(MakeSchedule(ScheduleKind::kOneForwardOneBackward, {2, 1, 2})),
            "rank 0 | F0 F1 .  .  B0--- .  B1---\n"
            "rank 1 | .  F0 B0--- F1 B1--- .  .\n");
  EXPECT_EQ(DrawText(MakeSchedule(ScheduleKind::kZbH1, {2, 1, 2})),
            "rank 0 | F0 F1 .  I0 W0 I1 W1\n"
            "rank 1 | .  F0 I0 F1 I1 W0 W1\n");
  EXPECT_EQ(DrawText(MakeSchedule(ScheduleKind::kDualPipeV, {1, 2, 2})),
            "rank 0 | F0.0 F1.0 F0.1 B1.0----- O1.1|0.0------ B1.1----- I0.1 W0.1\n");
}

TEST(DrawSchedule, TextFollowsThePassesTimes) {
  EXPECT_EQ(DrawText(MakeSchedule(ScheduleKind::kGPipe, {2, 1, 1}),
                     {.forward = 4, .backward_input = 2, .backward_weight = 2}),
            "rank 0 | F0 .  .  B0\n"
            "rank 1 | .  F0 B0 .\n");
}

TEST(DrawSchedule, RowsOfManyRanksStandBelowEachOther) {
  const std::string text = DrawText(MakeSchedule(ScheduleKind::kGPipe, {11, 1, 1}));
  EXPECT_THAT(text, AllOf(HasSubstr("rank  0 | F0 ."), HasSubstr("\nrank 10 | .  .")));
}

TEST(DrawSchedule, SvgHasABoxPerPass) {
  const std::string svg = DrawSvg(MakeSchedule(ScheduleKind::kDualPipeV, {2, 2, 6}));
  EXPECT_THAT(svg, testing::StartsWith("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  EXPECT_THAT(svg, testing::EndsWith("</svg>\n"));
  EXPECT_EQ(Count(svg, "<g>"), Count(svg, "</g>"));
  EXPECT_THAT(svg, HasSubstr("<title>rank 0: forward chunk 0 micro-batch 0, 0 to 1</title>"));
  EXPECT_THAT(svg, HasSubstr("overlap chunk 0 micro-batch 3 with backward chunk 1 micro-batch 1"));
}

TEST(DrawSchedule, SplitPassesAreDrawnToo) {
  Schedule schedule = MakeSchedule(ScheduleKind::kGPipe, {2, 1, 1});
  for (std::vector<Action>& actions : schedule.actions)
    actions = WithParameterFetches(actions, std::vector<int>{2}, 1);
  EXPECT_EQ(DrawText(schedule),
            "rank 0 | F0 F0 .  .  .  .  .  .  B0--- B0---\n"
            "rank 1 | .  .  F0 F0 B0--- B0--- .  .  .  .\n");
}

}  // namespace
}  // namespace cadmus
