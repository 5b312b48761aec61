// SPDX-License-Identifier: Apache-2.0
// The verifier accepts the built-in schedules and names each rule that a list breaks.
#include "runtime/schedule/verifier.h"

#include <gmock/gmock.h>

#include "runtime/schedule/schedules.h"

namespace cadmus {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

// forward 0, backward 0, forward 1, backward 1, reduce, optimizer
std::vector<Action> TwoMicroBatches() { return SingleStageSchedule(2); }
constexpr ScheduleSize kTwo = {.num_chunks = 1, .num_micro_batches = 2};

// forwards first, then input-backwards, then weight-backwards
std::vector<Action> SplitBackward() {
  return {{.kind = ActionKind::kForward, .micro_batch = 0},
          {.kind = ActionKind::kForward, .micro_batch = 1},
          {.kind = ActionKind::kBackwardInput, .micro_batch = 0, .depends_on = {0}},
          {.kind = ActionKind::kBackwardInput, .micro_batch = 1, .depends_on = {1}},
          {.kind = ActionKind::kBackwardWeight, .micro_batch = 0, .depends_on = {2}},
          {.kind = ActionKind::kBackwardWeight, .micro_batch = 1, .depends_on = {3}},
          {.kind = ActionKind::kReduceGradients, .depends_on = {4, 5}},
          {.kind = ActionKind::kOptimizer, .depends_on = {6}}};
}

TEST(Verifier, AcceptsTheSingleStageScheduleOfAnySize) {
  for (int micro_batches = 1; micro_batches <= 70; ++micro_batches) {
    const std::vector<Action> actions = SingleStageSchedule(micro_batches);
    EXPECT_THAT(FindProblems(actions, {.num_chunks = 1, .num_micro_batches = micro_batches}),
                IsEmpty());
    EXPECT_EQ(MaxInFlight(actions, 0), 1);
  }
}

TEST(Verifier, AcceptsBackwardInTwoHalves) {
  EXPECT_THAT(FindProblems(SplitBackward(), kTwo), IsEmpty());
  EXPECT_EQ(MaxInFlight(SplitBackward(), 0), 2);
  EXPECT_EQ(MaxInFlight(SplitBackward(), 1), 0);
}

TEST(Verifier, AcceptsSeveralChunks) {
  std::vector<Action> actions = {{.kind = ActionKind::kForward, .chunk = 0, .micro_batch = 0},
                                 {.kind = ActionKind::kForward, .chunk = 1, .micro_batch = 0},
                                 {ActionKind::kBackward, 1, 0, {1}},
                                 {ActionKind::kBackward, 0, 0, {0}},
                                 {ActionKind::kReduceGradients, 1, -1, {2}},
                                 {ActionKind::kReduceGradients, 0, -1, {3}},
                                 {ActionKind::kOptimizer, 0, -1, {4, 5}}};
  const ScheduleSize size = {.num_chunks = 2, .num_micro_batches = 1};
  EXPECT_THAT(FindProblems(actions, size), IsEmpty());
  actions[6].depends_on = {4};
  EXPECT_THAT(FindProblems(actions, size),
              Contains(HasSubstr("must depend on action 5 (reduce-gradients chunk 0)")));
}

TEST(Verifier, NamesDependenciesThatAreNotEarlier) {
  for (const int dependency : {-1, 1, 2, 99}) {
    std::vector<Action> actions = TwoMicroBatches();
    actions[1].depends_on = {dependency};
    EXPECT_THAT(FindProblems(actions, kTwo), Contains(HasSubstr("which is not earlier")));
  }
}

TEST(Verifier, NamesWhatIsMissing) {
  for (const auto& [index, text] : {std::pair{0, "forward chunk 0 micro-batch 0 is missing"},
                                    std::pair{3, "backward chunk 0 micro-batch 1 is missing"},
                                    std::pair{4, "reduce-gradients chunk 0 is missing"},
                                    std::pair{5, "optimizer chunk 0 is missing"}}) {
    std::vector<Action> actions = TwoMicroBatches();
    actions.erase(actions.begin() + index);
    for (Action& action : actions) action.depends_on.clear();
    EXPECT_THAT(FindProblems(actions, kTwo), Contains(HasSubstr(text)));
  }
  std::vector<Action> actions = SplitBackward();
  actions[5] = {.kind = ActionKind::kBackwardWeight, .micro_batch = 0};
  EXPECT_THAT(FindProblems(actions, kTwo),
              Contains(HasSubstr("backward-weight chunk 0 micro-batch 1 is missing")));
}

TEST(Verifier, NamesWhatStandsTwice) {
  std::vector<Action> actions = TwoMicroBatches();
  actions.insert(actions.begin(), {.kind = ActionKind::kForward, .micro_batch = 0});
  for (Action& action : actions) action.depends_on.clear();
  EXPECT_THAT(FindProblems(actions, kTwo), Contains(HasSubstr("stands twice")));
}

TEST(Verifier, NamesABackwardThatIsWholeAndHalved) {
  std::vector<Action> actions = SplitBackward();
  actions.insert(actions.begin() + 6,
                 {.kind = ActionKind::kBackward, .micro_batch = 0, .depends_on = {0}});
  actions[7].depends_on = {4, 5, 6};
  actions[8].depends_on = {7};
  EXPECT_THAT(FindProblems(actions, kTwo), Contains(HasSubstr("repeats a backward")));

  actions = TwoMicroBatches();
  actions.insert(actions.begin() + 4,
                 {.kind = ActionKind::kBackwardWeight, .micro_batch = 0, .depends_on = {1}});
  actions[5].depends_on = {1, 3, 4};
  actions[6].depends_on = {5};
  EXPECT_THAT(FindProblems(actions, kTwo), Contains(HasSubstr("repeats a backward")));
}

TEST(Verifier, NamesOrdersThatNoDependencyStates) {
  std::vector<Action> actions = TwoMicroBatches();
  actions[1].depends_on.clear();
  EXPECT_THAT(FindProblems(actions, kTwo),
              Contains("action 1 (backward chunk 0 micro-batch 0) must depend on action 0 (forward "
                       "chunk 0 micro-batch 0)"));
  actions = TwoMicroBatches();
  actions[4].depends_on = {3};
  EXPECT_THAT(FindProblems(actions, kTwo),
              Contains(HasSubstr("must depend on action 1 (backward")));
  actions = SplitBackward();
  actions[4].depends_on = {0};
  EXPECT_THAT(FindProblems(actions, kTwo),
              Contains(HasSubstr("must depend on action 2 (backward-input")));
}

TEST(Verifier, AcceptsDependenciesThroughOthers) {
  std::vector<Action> actions = TwoMicroBatches();
  actions[2].depends_on = {1};  // forward 1 behind backward 0
  actions[4].depends_on = {3};  // reaches backward 0 through forward 1
  EXPECT_THAT(FindProblems(actions, kTwo), IsEmpty());
}

TEST(Verifier, NamesAnOptimizerThatIsNotLast) {
  std::vector<Action> actions = TwoMicroBatches();
  std::swap(actions[4], actions[5]);
  actions[4].depends_on.clear();
  EXPECT_THAT(FindProblems(actions, kTwo), Contains("the optimizer is not last"));
}

TEST(Verifier, NamesPlacesOutsideOfTheStep) {
  for (const Action& stray : {Action{.kind = ActionKind::kForward, .micro_batch = 2},
                              Action{.kind = ActionKind::kForward, .micro_batch = -1},
                              Action{.kind = ActionKind::kForward, .chunk = 1, .micro_batch = 0},
                              Action{.kind = ActionKind::kReduceGradients, .micro_batch = 0}}) {
    std::vector<Action> actions = TwoMicroBatches();
    actions.push_back(stray);
    EXPECT_THAT(FindProblems(actions, kTwo), Contains(HasSubstr("is outside of")));
  }
}

TEST(Verifier, RefusesKindsOfLaterVersionsByName) {
  std::vector<Action> actions = TwoMicroBatches();
  actions.push_back({.kind = ActionKind::kTieReduce});
  EXPECT_THAT(FindProblems(actions, kTwo),
              Contains(AllOf(HasSubstr("tie-reduce"), HasSubstr("not supported yet"))));
}

}  // namespace
}  // namespace cadmus
