// SPDX-License-Identifier: Apache-2.0
// Lists with fetches are training steps, hold what the passes need, and no more.
#include "runtime/schedule/parameter_fetches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "runtime/schedule/passes.h"
#include "runtime/schedule/verifier.h"
#include "tests/runtime/schedule/schedule_samples.h"

namespace cadmus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> Lines(const std::vector<Action>& actions) {
  std::vector<std::string> lines;
  for (const Action& action : actions) lines.push_back(ToString(action));
  return lines;
}

TEST(ParameterFetches, StandAheadOfTheirUse) {
  EXPECT_THAT(Lines(WithParameterFetches(
                  MakeSchedule(ScheduleKind::kOneForwardOneBackward, {1, 1, 1}).actions[0],
                  std::vector<int>{3}, 1)),
              ElementsAre("fetch chunk 0 module 0", "fetch chunk 0 module 1",
                          "forward chunk 0 micro-batch 0 module 0", "release chunk 0 module 0",
                          "fetch chunk 0 module 2", "forward chunk 0 micro-batch 0 module 1",
                          "release chunk 0 module 1", "forward chunk 0 micro-batch 0 module 2",
                          // the next pass uses module 2 again
                          "fetch chunk 0 module 1", "backward chunk 0 micro-batch 0 module 2",
                          "release chunk 0 module 2", "fetch chunk 0 module 0",
                          "backward chunk 0 micro-batch 0 module 1", "release chunk 0 module 1",
                          "backward chunk 0 micro-batch 0 module 0", "release chunk 0 module 0",
                          "reduce-gradients chunk 0", "optimizer"));
}

TEST(ParameterFetches, WithoutPrefetchStandRightBeforeTheirUse) {
  const std::vector<Action> pipeline =
      MakeSchedule(ScheduleKind::kZbH1, {.num_ranks = 2, .num_micro_batches = 1}).actions[1];
  EXPECT_THAT(
      Lines(WithParameterFetches(pipeline, std::vector<int>{2}, 0)),
      ElementsAre("fetch chunk 0 module 0", "receive activation chunk 0 micro-batch 0",
                  "forward chunk 0 micro-batch 0 module 0", "release chunk 0 module 0",
                  "fetch chunk 0 module 1", "forward chunk 0 micro-batch 0 module 1",
                  "backward-input chunk 0 micro-batch 0 module 1", "release chunk 0 module 1",
                  "fetch chunk 0 module 0", "backward-input chunk 0 micro-batch 0 module 0",
                  "release chunk 0 module 0", "send gradient chunk 0 micro-batch 0",
                  "backward-weight chunk 0 micro-batch 0", "reduce-gradients chunk 0", "tie-reduce",
                  "optimizer"));
}

// While a pass runs, the fetched modules are those of it and of the next `prefetch` passes.
void ExpectExactWindow(const std::vector<Action>& actions, const std::vector<int>& num_modules,
                       int prefetch) {
  using Modules = std::set<std::pair<int, int>>;
  std::vector<Modules> needed;
  std::vector<Modules> fetched;  // while it runs
  Modules now;
  for (const Action& action : actions) {
    if (action.kind == ActionKind::kFetchParameters) now.insert({action.chunk, action.module});
    if (action.kind == ActionKind::kReleaseParameters) now.erase({action.chunk, action.module});
    Modules of_pass;
    for (const Pass& pass : PassesOf(action)) {
      if (pass.kind == ActionKind::kBackwardWeight) continue;
      for (int module = 0; module < num_modules[static_cast<size_t>(pass.chunk)]; ++module)
        if (pass.module < 0 || pass.module == module) of_pass.insert({pass.chunk, module});
    }
    if (of_pass.empty()) continue;
    needed.push_back(of_pass);
    fetched.push_back(now);
  }
  for (size_t i = 0; i < needed.size(); ++i) {
    Modules window;
    const size_t end = std::min(needed.size(), i + static_cast<size_t>(prefetch) + 1);
    for (size_t k = i; k < end; ++k) window.insert(needed[k].begin(), needed[k].end());
    ASSERT_EQ(fetched[i], window) << "pass " << i << ", prefetch " << prefetch;
  }
}

TEST(ParameterFetches, OfAllSchedulesAreStepsThatHoldNoMoreThanTheirWindow) {
  for (const ScheduleSample& sample : Samples({1, 2, 4}, {1, 3, 8})) {
    for (const int prefetch : {0, 1, 2, 5}) {
      Schedule schedule = MakeSchedule(sample.kind, sample.size);
      std::vector<int> num_modules = {3, 1, 2, 4};
      num_modules.resize(static_cast<size_t>(sample.size.num_chunks));
      for (std::vector<Action>& actions : schedule.actions) {
        actions = WithParameterFetches(actions, num_modules, prefetch);
        ExpectExactWindow(actions, num_modules, prefetch);
      }
      EXPECT_THAT(FindProblems(schedule), IsEmpty()) << ToString(sample);
    }
  }
}

}  // namespace
}  // namespace cadmus
