// SPDX-License-Identifier: Apache-2.0
// Warm-up and cosine against values worked out by hand.
#include "runtime/optim/learning_rate.h"

#include <gtest/gtest.h>

namespace cadmus {
namespace {

constexpr LearningRateSchedule kSchedule = {
    .maximum = 1e-3, .minimum = 1e-4, .warmup_steps = 10, .total_steps = 110};

TEST(LearningRate, RisesInEqualStepsToTheMaximum) {
  EXPECT_DOUBLE_EQ(LearningRate(kSchedule, 0), 1e-4);
  EXPECT_DOUBLE_EQ(LearningRate(kSchedule, 4), 5e-4);
  EXPECT_DOUBLE_EQ(LearningRate(kSchedule, 9), 1e-3);
}

TEST(LearningRate, FallsAlongTheCosineToTheMinimum) {
  EXPECT_DOUBLE_EQ(LearningRate(kSchedule, 10), 1e-3);
  EXPECT_DOUBLE_EQ(LearningRate(kSchedule, 60), (1e-3 + 1e-4) / 2);  // half way
  // A quarter of the way: cos(π/4) = √½.
  EXPECT_DOUBLE_EQ(LearningRate(kSchedule, 35), 1e-4 + 4.5e-4 * (1 + 0.70710678118654752));
  for (int64_t step = 11; step < 110; ++step)
    EXPECT_LT(LearningRate(kSchedule, step), LearningRate(kSchedule, step - 1)) << step;
  EXPECT_GT(LearningRate(kSchedule, 109), 1e-4);
}

TEST(LearningRate, StaysAtTheMinimumAfterTheEnd) {
  EXPECT_EQ(LearningRate(kSchedule, 110), 1e-4);
  EXPECT_EQ(LearningRate(kSchedule, 1000000000000), 1e-4);
}

TEST(LearningRate, WarmUpMayBeAbsentOrTheWholeRun) {
  EXPECT_EQ(LearningRate({.maximum = 2, .warmup_steps = 0, .total_steps = 1}, 0), 2);
  const LearningRateSchedule all = {.maximum = 2, .warmup_steps = 4, .total_steps = 4};
  EXPECT_EQ(LearningRate(all, 3), 2);
  EXPECT_EQ(LearningRate(all, 4), 0);
}

}  // namespace
}  // namespace cadmus
