// SPDX-License-Identifier: Apache-2.0
// The verifier names each rule that a schedule breaks, with rank and action.
#include "runtime/schedule/verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/schedule/parameter_fetches.h"
#include "runtime/schedule/schedule_file.h"
#include "runtime/schedule/schedules.h"

namespace cadmus {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Two ranks, one micro-batch, from words; complete where the words are (schedule_file.h).
std::vector<std::string> ProblemsOf(const std::string& first, const std::string& last,
                                    int micro_batches = 1) {
  return FindProblems(ParseSchedule("words", "micro_batches: " + std::to_string(micro_batches) +
                                                 " rank { actions: \"" + first +
                                                 "\" } rank { actions: \"" + last + "\" }"));
}

// The same for one rank with one stage.
std::vector<std::string> ProblemsOf(const std::string& words, int micro_batches = 2) {
  return FindProblems(ParseSchedule("words", "micro_batches: " + std::to_string(micro_batches) +
                                                 " rank { actions: \"" + words + "\" }"));
}

TEST(Verifier, AcceptsHandWrittenSchedules) {
  EXPECT_THAT(ProblemsOf("F0 B0 F1 B1"), IsEmpty());
  EXPECT_THAT(ProblemsOf("F0 F1 I1 I0 W0 W1"), IsEmpty());
  EXPECT_THAT(ProblemsOf("F0 SA0 RG0 B0 D0 T U", "RA0 F0 I0 SG0 W0 D0 T U"), IsEmpty());
}

TEST(Verifier, NamesWhatIsMissing) {
  EXPECT_THAT(ProblemsOf("F1 B0 B1"), Contains("rank 0: forward chunk 0 micro-batch 0 is missing"));
  EXPECT_THAT(ProblemsOf("F0 F1 B0"),
              Contains("rank 0: backward chunk 0 micro-batch 1 is missing"));
  EXPECT_THAT(ProblemsOf("F0 F1 I0 I1 W0"),
              ElementsAre(HasSubstr("comes before the chunk's last weight gradient"),
                          "rank 0: backward-weight chunk 0 micro-batch 1 is missing"));
  EXPECT_THAT(ProblemsOf("F0 B0 F1 B1 U"), Contains("rank 0: reduce-gradients chunk 0 is missing"));
  EXPECT_THAT(ProblemsOf("F0 B0 F1 B1 D0"), ElementsAre("rank 0: optimizer is missing"));
  EXPECT_THAT(ProblemsOf("F0 SA0 RG0 B0 D0 U", "RA0 F0 B0 SG0 D0 T U"),
              Contains("rank 0: tie-reduce is missing"));
  EXPECT_THAT(ProblemsOf("F0 B0 D0 T U", "RA0 F0 B0 SG0 D0 T U"),
              Contains("rank 0: send activation chunk 0 micro-batch 0 is missing"));
}

TEST(Verifier, NamesWhatStandsTwice) {
  EXPECT_THAT(ProblemsOf("F0 F0 B0 F1 B1"),
              ElementsAre("rank 0, action 1 (forward chunk 0 micro-batch 0) stands twice"));
  EXPECT_THAT(ProblemsOf("F0 I0 B0 W0 F1 B1"),
              ElementsAre("rank 0, action 2 (backward chunk 0 micro-batch 0) repeats a backward"));
  EXPECT_THAT(ProblemsOf("F0 B0 W0 F1 B1"), Contains(HasSubstr("repeats a backward")));
  EXPECT_THAT(ProblemsOf("F0 B0 F1 B1 D0 D0 U"), ElementsAre(HasSubstr("stands twice")));
  EXPECT_THAT(ProblemsOf("F0 B0 F1 B1 D0 U U"), ElementsAre(HasSubstr("stands twice")));
}

TEST(Verifier, NamesPassesBeforeWhatTheyNeed) {
  EXPECT_THAT(ProblemsOf("B0 F0 F1 B1"), ElementsAre(HasSubstr("comes before its forward")));
  EXPECT_THAT(ProblemsOf("F0 W0 I0 F1 B1"),
              ElementsAre(HasSubstr("comes before its backward-input")));
  EXPECT_THAT(ProblemsOf("F0 SA0 RG0 B0 D0 T U", "F0 RA0 B0 SG0 D0 T U"),
              ElementsAre("rank 1, action 0 (forward chunk 0 micro-batch 0) runs before the "
                          "activation of stage 0 is received"));
  EXPECT_THAT(ProblemsOf("F0 SA0 B0 RG0 D0 T U", "RA0 F0 B0 SG0 D0 T U"),
              ElementsAre(HasSubstr("runs before the gradient of stage 1 is received")));
  EXPECT_THAT(ProblemsOf("SA0 F0 RG0 B0 D0 T U", "RA0 F0 B0 SG0 D0 T U"),
              ElementsAre(HasSubstr("comes before the pass that makes it")));
}

TEST(Verifier, NamesHandOversThatAreNotComputed) {
  EXPECT_THAT(FindProblems(ParseSchedule("words", R"(micro_batches: 1
      rank { stages: [0, 1] actions: "F1.0 F0.0 B0.0 B1.0" })")),
              ElementsAre(HasSubstr("runs before the activation of stage 0, on the same rank, is "
                                    "computed"),
                          HasSubstr("runs before the gradient of stage 1, on the same rank, is "
                                    "computed")));
  // Nor by the other half of an overlap.
  EXPECT_THAT(FindProblems(ParseSchedule("words", R"(micro_batches: 1
      rank { stages: [0, 1] actions: "F0.0 O1.0|1.0 B0.0" })")),
              ElementsAre(HasSubstr("comes before its forward")));
}

TEST(Verifier, NamesSumsInAnotherOrder) {
  EXPECT_THAT(ProblemsOf("F1 F0 B0 B1"),
              ElementsAre(HasSubstr("comes after micro-batch 1: each chunk takes its micro-batches "
                                    "in ascending order")));
  EXPECT_THAT(ProblemsOf("F0 F1 B1 B0"), ElementsAre(HasSubstr("comes after micro-batch 1")));
  EXPECT_THAT(ProblemsOf("F0 F1 I0 I1 W1 W0"), ElementsAre(HasSubstr("comes after micro-batch 1")));
}

TEST(Verifier, NamesMessagesInAnotherOrder) {
  EXPECT_THAT(
      ProblemsOf("F0 F1 SA1 SA0 RG0 B0 RG1 B1 D0 T U", "RA0 F0 B0 SG0 RA1 F1 B1 SG1 D0 T U", 2),
      Contains("rank 1, action 0 (receive activation chunk 0 micro-batch 0) would get what rank 0, "
               "action 2 (send activation chunk 0 micro-batch 1) sends: both must keep one order"));
  EXPECT_THAT(ProblemsOf("F0 RG0 B0 D0 T U", "RA0 F0 B0 SG0 D0 T U"),
              Contains(HasSubstr("waits for a message that rank 0 never sends")));
  EXPECT_THAT(ProblemsOf("F0 SA0 SA0 RG0 B0 D0 T U", "RA0 F0 B0 SG0 D0 T U"),
              AllOf(Contains(HasSubstr("stands twice")),
                    Contains(HasSubstr("is never received by rank 1"))));
}

TEST(Verifier, NamesRanksThatWaitForEachOther) {
  EXPECT_THAT(ProblemsOf("RG0 F0 SA0 B0 D0 T U", "RA0 F0 B0 SG0 D0 T U"),
              ElementsAre(AllOf(HasSubstr("rank 0, action 0 (receive gradient chunk 0 micro-batch "
                                          "0) waits for ever for rank 1, which is held up at"),
                                HasSubstr("rank 1, action 0 (receive activation")),
                          HasSubstr("rank 1, action 0 (receive activation chunk 0 micro-batch 0) "
                                    "waits for ever for rank 0")));
}

TEST(Verifier, NamesTheWrongEndOfAStep) {
  EXPECT_THAT(ProblemsOf("F0 B0 F1 D0 B1 U"),
              ElementsAre(HasSubstr("comes before the chunk's last weight gradient")));
  EXPECT_THAT(ProblemsOf("F0 B0 F1 B1 U D0"),
              ElementsAre(HasSubstr("comes before the gradients of chunk 0 are reduced"),
                          HasSubstr("comes after the optimizer, which is not last")));
  EXPECT_THAT(ProblemsOf("F0 SA0 RG0 B0 T D0 U", "RA0 F0 B0 SG0 D0 T U"),
              ElementsAre(HasSubstr("(tie-reduce) comes before the gradients of chunk 0")));
}

TEST(Verifier, NamesPlacesThatDoNotExist) {
  for (const Action& stray :
       {Action{.kind = ActionKind::kForward, .micro_batch = 2},
        Action{.kind = ActionKind::kForward, .micro_batch = -1},
        Action{.kind = ActionKind::kForward, .chunk = 1, .micro_batch = 0},
        Action{.kind = ActionKind::kReduceGradients, .micro_batch = 0},
        Action{.kind = ActionKind::kOptimizer, .module = 0},
        Action{.kind = ActionKind::kOverlap, .micro_batch = 0},
        Action{.kind = ActionKind::kForward, .micro_batch = 0, .backward_chunk = 0}}) {
    Schedule schedule = MakeSchedule(ScheduleKind::kOneForwardOneBackward, {1, 1, 2});
    schedule.actions[0].push_back(stray);
    EXPECT_THAT(FindProblems(schedule),
                ElementsAre(AllOf(HasSubstr("rank 0, action 6"), HasSubstr("is outside of"))));
  }
  EXPECT_THAT(ProblemsOf("F0 SA0 B0 D0 U", 1), ElementsAre(HasSubstr("at the end of the model")));
  EXPECT_THAT(FindProblems(ParseSchedule("words", R"(micro_batches: 1
      rank { stages: [0, 1] actions: "F0.0 SA0.0 F1.0 B1.0 B0.0" })")),
              ElementsAre(HasSubstr("is not needed: stage 1 lies on the same rank")));
}

TEST(Verifier, NamesStagesWithoutAPlace) {
  Schedule schedule = MakeSchedule(ScheduleKind::kGPipe, {2, 1, 1});
  schedule.stage_of = {{0}, {0}};
  EXPECT_THAT(FindProblems(schedule), ElementsAre("stage 0 lies on rank 0 and again on rank 1"));
  schedule.stage_of = {{0}, {2}};
  EXPECT_THAT(FindProblems(schedule), ElementsAre("rank 1 has stage 2 of 0 … 1"));
  schedule.stage_of = {{0}, {1, 2}};
  EXPECT_THAT(FindProblems(schedule), Contains("rank 1 has 2 stages; each has 1"));
  schedule.stage_of = {{0}};
  EXPECT_THAT(FindProblems(schedule), ElementsAre(HasSubstr("has stages for 1")));
  schedule.size.num_ranks = 0;
  EXPECT_THAT(FindProblems(schedule), ElementsAre(HasSubstr("each must be at least 1")));
}

// ---- Fetches.

// One stage of two modules, one micro-batch.
std::vector<Action> Fetching() {
  return WithParameterFetches(
      MakeSchedule(ScheduleKind::kOneForwardOneBackward, {1, 1, 1}).actions[0], std::vector<int>{2},
      0);
}

std::vector<std::string> ProblemsOf(const std::vector<Action>& actions) {
  Schedule schedule = MakeSchedule(ScheduleKind::kOneForwardOneBackward, {1, 1, 1});
  schedule.actions[0] = actions;
  return FindProblems(schedule);
}

TEST(Verifier, NamesPassesWithoutTheirWeights) {
  EXPECT_THAT(ProblemsOf(Fetching()), IsEmpty());
  std::vector<Action> actions = Fetching();
  actions.erase(actions.begin());  // the first fetch
  EXPECT_THAT(ProblemsOf(actions),
              ElementsAre(HasSubstr("(forward chunk 0 micro-batch 0 module 0) runs while module 0 "
                                    "of chunk 0 is not fetched"),
                          HasSubstr("finds module 0 not fetched")));
}

TEST(Verifier, NamesFetchesAndReleasesInARow) {
  std::vector<Action> actions = Fetching();
  actions.insert(actions.begin(), actions[0]);
  EXPECT_THAT(ProblemsOf(actions),
              ElementsAre("rank 0, action 1 (fetch chunk 0 module 0) finds module 0 fetched "
                          "already"));
  actions = Fetching();
  actions.erase(actions.end() - 3);  // the last release
  EXPECT_THAT(ProblemsOf(actions),
              ElementsAre(HasSubstr("(optimizer) would leave the fetched weights of chunk 0 module "
                                    "0 stale")));
}

TEST(Verifier, NamesModulesOutOfOrder) {
  std::vector<Action> actions = Fetching();
  const auto is_forward = [](const Action& action) { return action.kind == ActionKind::kForward; };
  std::erase_if(actions, [](const Action& action) {
    return action.kind == ActionKind::kFetchParameters ||
           action.kind == ActionKind::kReleaseParameters;
  });
  EXPECT_THAT(ProblemsOf(actions), IsEmpty());
  std::swap(actions[0], actions[1]);
  EXPECT_THAT(ProblemsOf(actions), Contains(HasSubstr("is out of order: module 0 is next")));
  actions.erase(std::find_if(actions.begin(), actions.end(), is_forward));
  EXPECT_THAT(ProblemsOf(actions),
              Contains("rank 0: forward chunk 0 micro-batch 0 module 1 is missing"));
}

}  // namespace
}  // namespace cadmus
