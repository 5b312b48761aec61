// SPDX-License-Identifier: Apache-2.0
// Schedules survive the way to text and back; mistakes are named with file and line.
#include "runtime/schedule/schedule_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "kernels/base/error.h"
#include "runtime/schedule/verifier.h"
#include "tests/runtime/schedule/schedule_samples.h"
#include "tests/support/temporary_folder.h"

namespace cadmus {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(ScheduleFile, BuiltInSchedulesSurviveTheWayToTextAndBack) {
  for (const ScheduleSample& sample : Samples({1, 2, 3, 8}, {1, 2, 5, 16})) {
    const Schedule schedule = MakeSchedule(sample.kind, sample.size);
    const std::string text = ScheduleToText(schedule);
    EXPECT_TRUE(ParseSchedule("text", text) == schedule) << text;
    EXPECT_THAT(text, Not(HasSubstr("SA"))) << "transfers can be left out";
  }
}

TEST(ScheduleFile, WhatIsNotDerivedIsWritten) {
  // Receives early, reductions late.
  Schedule schedule = MakeSchedule(ScheduleKind::kGPipe, {2, 1, 2});
  std::vector<Action>& first = schedule.actions[0];
  std::vector<Action>& last = schedule.actions[1];
  std::swap(last[1], last[2]);
  EXPECT_THAT(FindProblems(schedule), IsEmpty());
  std::string text = ScheduleToText(schedule);
  EXPECT_THAT(text, AllOf(HasSubstr("RA0 RA1 F0 F1"), Not(HasSubstr("U"))));
  EXPECT_TRUE(ParseSchedule("text", text) == schedule);

  first.erase(first.end() - 2);  // the tie-reduce
  text = ScheduleToText(schedule);
  EXPECT_THAT(text, HasSubstr("D0 U"));
  EXPECT_TRUE(ParseSchedule("text", text) == schedule);
}

TEST(ScheduleFile, IsShortToWrite) {
  const Schedule schedule = ParseSchedule("text", R"(
      # 1F1B
      micro_batches: 3
      rank { actions: "F0 F1 B0 F2 B1 B2" }
      rank { actions: "F0 B0 F1"
             actions: "B1 F2 B2" })");
  EXPECT_TRUE(schedule == MakeSchedule(ScheduleKind::kOneForwardOneBackward, {2, 1, 3}));
}

TEST(ScheduleFile, IsReadFromAFile) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "schedule.textproto";
  const Schedule schedule = MakeSchedule(ScheduleKind::kZbV, {3, 2, 7});
  std::ofstream(path) << ScheduleToText(schedule);
  EXPECT_TRUE(LoadSchedule(path) == schedule);
}

std::string WhyNot(const std::string& text) {
  try {
    ParseSchedule("my.textproto", text);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kConfig);
    return error.message();
  }
  return "accepted";
}

TEST(ScheduleFile, NamesFileAndLineOfMistakes) {
  EXPECT_THAT(WhyNot("micro_batches: 1\nranks { }"),
              AllOf(HasSubstr("my.textproto:2:"), HasSubstr("ranks")));
  EXPECT_THAT(WhyNot("micro_batches: many"), HasSubstr("my.textproto:1:"));
  EXPECT_THAT(WhyNot("rank { actions: \"F0\" }"), HasSubstr("write micro_batches: 8"));
  EXPECT_THAT(WhyNot("\n\nmicro_batches: 0"),
              HasSubstr("my.textproto:3: micro_batches: 0; give at least 1"));
  EXPECT_THAT(WhyNot("micro_batches: 1"), HasSubstr("no rank; write rank {"));
  EXPECT_THAT(WhyNot("micro_batches: 1\nrank { stages: 0 }\nrank { stages: [1, 2] }"),
              HasSubstr("my.textproto:3: rank 1 has 2 stages and rank 0 has 1"));
  EXPECT_THAT(
      WhyNot("micro_batches: 1\nrank {\n stages: 0\n}\nrank {\n stages: 2 }"),
      HasSubstr("my.textproto:6: stage 2 of rank 1; 2 ranks with 1 stages each have 0 … 1"));
  EXPECT_THAT(WhyNot("micro_batches: 1\nrank {\n stages: [0, 1] }\nrank {\n stages: [\n2, 1] }"),
              HasSubstr("stage 1 of rank 1 lies on rank 0 already"));
}

// The mistake of a word, with one chunk and with two.
std::string WhyNotWord(const std::string& word, int chunks = 1) {
  const std::string stages = chunks == 1 ? "0" : "[0, 1]";
  const std::string message =
      WhyNot("micro_batches: 4\nrank {\n stages: " + stages + "\n actions: \"" + word + "\"\n}");
  EXPECT_THAT(message, HasSubstr("my.textproto:4: rank 0: '" + word + "'"));
  return message;
}

TEST(ScheduleFile, SaysHowToWriteWords) {
  EXPECT_THAT(WhyNotWord("X3"), HasSubstr("is no action; words begin with F, B, I, W, O, SA"));
  EXPECT_THAT(WhyNotWord("f3"), HasSubstr("words begin with"));
  EXPECT_THAT(WhyNotWord("F"), HasSubstr("write F3 with a micro-batch"));
  EXPECT_THAT(WhyNotWord("F-1"), HasSubstr("write F3 with a micro-batch"));
  EXPECT_THAT(WhyNotWord("F99999999999"), HasSubstr("write F3 with a micro-batch"));
  EXPECT_THAT(WhyNotWord("F3x"), HasSubstr("write F3"));
  EXPECT_THAT(WhyNotWord("F3", 2), HasSubstr("write F1.3 with chunk and micro-batch"));
  EXPECT_THAT(WhyNotWord("O1.3", 2), HasSubstr("write O1.3|1.3 forward and backward"));
  EXPECT_THAT(WhyNotWord("D"), HasSubstr("write D0 with a chunk"));
  EXPECT_THAT(WhyNotWord("U0"), HasSubstr("write U alone"));
  EXPECT_THAT(WhyNotWord("F4"), HasSubstr("micro-batch 4; the step has 0 … 3"));
  EXPECT_THAT(WhyNotWord("B2.0", 2), HasSubstr("chunk 2; each rank has chunks 0 … 1"));
  EXPECT_THAT(WhyNotWord("O0.0|1.4", 2), HasSubstr("micro-batch 4"));
}

TEST(ScheduleFile, NamesAFileThatCannotBeRead) {
  const TemporaryFolder folder;
  for (const std::filesystem::path& path : {folder.path() / "none", folder.path()}) {
    try {
      LoadSchedule(path);
      FAIL() << path;
    } catch (const Error& error) {
      EXPECT_THAT(error.message(), HasSubstr(path.string() + ": cannot be read"));
    }
  }
}

}  // namespace
}  // namespace cadmus
