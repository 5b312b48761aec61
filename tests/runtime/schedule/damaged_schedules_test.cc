// SPDX-License-Identifier: Apache-2.0
// The verifier rejects randomly damaged schedules exactly where running them is no training step.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "runtime/schedule/verifier.h"
#include "tests/runtime/schedule/schedule_oracle.h"
#include "tests/runtime/schedule/schedule_samples.h"

namespace cadmus {
namespace {

class Damage {
 public:
  explicit Damage(uint32_t seed) : random_(seed) {}

  Schedule Next() {
    const ScheduleKind kind = kAllKinds[Below(std::size(kAllKinds))];
    const std::vector<int> chunks = ChunksOf(kind);
    Schedule schedule = MakeSchedule(kind, {.num_ranks = 1 + static_cast<int>(Below(5)),
                                            .num_chunks = chunks[Below(chunks.size())],
                                            .num_micro_batches = 1 + static_cast<int>(Below(7))});
    for (size_t i = Below(3) + 1; i > 0; --i) DamageOnce(schedule);
    return schedule;
  }

 private:
  size_t Below(size_t bound) { return random_() % bound; }

  void DamageOnce(Schedule& schedule) {
    std::vector<Action>& list = schedule.actions[Below(schedule.actions.size())];
    if (list.empty()) return;
    const size_t i = Below(list.size());
    const auto at = list.begin() + static_cast<std::ptrdiff_t>(i);
    switch (Below(8)) {
      case 0:  // missing
        list.erase(at);
        break;
      case 1: {  // repeated anywhere
        const Action copy = *at;
        list.insert(list.begin() + static_cast<std::ptrdiff_t>(Below(list.size() + 1)), copy);
        break;
      }
      case 2:  // two exchanged
        std::swap(list[i], list[Below(list.size())]);
        break;
      case 3:  // two neighbours exchanged
        if (i + 1 < list.size()) std::swap(list[i], list[i + 1]);
        break;
      case 4:  // of another micro-batch, also one that does not exist
        at->micro_batch += Below(2) == 0 ? 1 : -1;
        break;
      case 5:  // of another chunk, ditto
        at->chunk += Below(2) == 0 ? 1 : -1;
        break;
      case 6: {  // another pass
        constexpr std::array kPasses = {ActionKind::kForward, ActionKind::kBackward,
                                        ActionKind::kBackwardInput, ActionKind::kBackwardWeight};
        if (at->micro_batch >= 0 && at->backward_chunk < 0) at->kind = kPasses[Below(4)];
        break;
      }
      case 7:  // on another rank
        schedule.actions[Below(schedule.actions.size())].push_back(*at);
        list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
        break;
    }
  }

  std::mt19937 random_;
};

TEST(DamagedSchedules, AreRejectedWhereTheyAreNoStep) {
  Damage damage(20240601);
  int invalid = 0;
  int harmless = 0;
  while (invalid < 2000) {
    const Schedule schedule = damage.Next();
    const bool is_step = RunsAsAStep(schedule);
    ++(is_step ? harmless : invalid);
    const std::vector<std::string> problems = FindProblems(schedule);
    ASSERT_EQ(problems.empty(), is_step)
        << "after " << invalid + harmless << ": "
        << (problems.empty() ? "accepted, and is no step" : problems.front());
    for (const std::string& problem : problems) EXPECT_THAT(problem, testing::HasSubstr("rank "));
  }
  EXPECT_GT(harmless, 20);  // some damage changes nothing that matters
}

TEST(DamagedSchedules, TheOracleAcceptsWhatIsWhole) {
  for (const ScheduleSample& sample : Samples({1, 2, 3, 5}, {1, 2, 3, 6, 9}))
    EXPECT_TRUE(RunsAsAStep(MakeSchedule(sample.kind, sample.size))) << ToString(sample);
}

}  // namespace
}  // namespace cadmus
