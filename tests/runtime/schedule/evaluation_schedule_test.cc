// SPDX-License-Identifier: Apache-2.0
// Every schedule has an evaluation: its forward passes and nothing else; the verifier accepts those
// and finds what is wrong with others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/schedule/activations.h"
#include "runtime/schedule/complete_schedule.h"
#include "runtime/schedule/parameter_fetches.h"
#include "runtime/schedule/send_releases.h"
#include "runtime/schedule/verifier.h"
#include "tests/runtime/schedule/schedule_samples.h"

namespace cadmus {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(EvaluationSchedule, OfEveryScheduleIsAcceptedWithAndWithoutFetches) {
  for (const ScheduleSample& sample : Samples({1, 2, 3, 4, 8}, {1, 2, 3, 7, 8, 16, 19})) {
    Schedule evaluation = EvaluationOf(MakeSchedule(sample.kind, sample.size));
    EXPECT_THAT(FindProblems(evaluation), IsEmpty()) << ToString(sample);
    const std::vector<int> num_modules(static_cast<size_t>(sample.size.num_chunks), 3);
    for (std::vector<Action>& actions : evaluation.actions)
      actions = WithParameterFetches(actions, num_modules, 1);
    EXPECT_THAT(FindProblems(evaluation), IsEmpty()) << ToString(sample);
  }
}

TEST(EvaluationSchedule, RunsEachForwardPassOnceAndKeepsNothing) {
  for (const ScheduleSample& sample : Samples({1, 3, 4}, {1, 5, 8})) {
    const Schedule evaluation = EvaluationOf(MakeSchedule(sample.kind, sample.size));
    for (int rank = 0; rank < sample.size.num_ranks; ++rank) {
      const std::vector<Action>& actions = evaluation.actions[static_cast<size_t>(rank)];
      EXPECT_EQ(std::ranges::count(actions, ActionKind::kForward, &Action::kind),
                sample.size.num_chunks * sample.size.num_micro_batches)
          << ToString(sample);
      for (int chunk = 0; chunk < sample.size.num_chunks; ++chunk)
        EXPECT_EQ(MaxInFlight(actions, chunk), 1);
      // The memory of every message is given back.
      size_t released = 0;
      for (const std::vector<int>& sends : SendReleases(evaluation, rank)) released += sends.size();
      EXPECT_EQ(released,
                static_cast<size_t>(std::ranges::count(actions, ActionKind::kSend, &Action::kind)));
    }
  }
}

class DamagedEvaluation : public testing::Test {
 protected:
  std::vector<Action>& first() { return schedule_.actions[0]; }
  std::vector<std::string> Problems() const { return FindProblems(schedule_); }

  Schedule schedule_ = EvaluationOf(
      MakeSchedule(ScheduleKind::kOneForwardOneBackward, {.num_ranks = 2, .num_micro_batches = 2}));
};

TEST_F(DamagedEvaluation, WithAnythingButForwardIsRefused) {
  for (const Action& action :
       {Action{.kind = ActionKind::kBackward, .micro_batch = 0},
        Action{.kind = ActionKind::kReduceGradients}, Action{.kind = ActionKind::kTieReduce},
        Action{.kind = ActionKind::kOptimizer},
        Action{.kind = ActionKind::kReceive, .micro_batch = 0, .payload = Payload::kGradient}}) {
    first().push_back(action);
    EXPECT_THAT(Problems(), Contains(HasSubstr("has no place in an evaluation")))
        << ToString(action);
    first().pop_back();
  }
}

TEST_F(DamagedEvaluation, ThatLeavesOutAPassOrItsMessageIsRefused) {
  const std::vector<Action> whole = first();
  for (size_t i = 0; i < whole.size(); ++i) {
    first().erase(first().begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_THAT(Problems(), testing::Not(IsEmpty())) << ToString(whole[i]);
    first() = whole;
  }
}

TEST_F(DamagedEvaluation, ThatKeepsFetchedWeightsIsRefused) {
  first() = WithParameterFetches(first(), std::vector<int>{2}, 1);
  const auto last = std::find_if(first().rbegin(), first().rend(), [](const Action& action) {
    return action.kind == ActionKind::kReleaseParameters;
  });
  ASSERT_NE(last, first().rend());
  first().erase(last.base() - 1);
  EXPECT_THAT(Problems(), Contains(HasSubstr("release chunk 0 module 1 is missing")));
}

TEST_F(DamagedEvaluation, AsATrainingStepIsRefused) {
  schedule_.purpose = SchedulePurpose::kTraining;
  EXPECT_THAT(Problems(), Contains(HasSubstr("optimizer is missing")));
}

}  // namespace
}  // namespace cadmus
