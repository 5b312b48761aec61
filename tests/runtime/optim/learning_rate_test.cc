// SPDX-License-Identifier: Apache-2.0
// The learning rate against values worked out by hand.
#include "runtime/optim/learning_rate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "runtime/optim/optimizer_config.pb.h"

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

LearningRateSchedule Of(LearningRateSchedule::Kind kind) {
  LearningRateSchedule schedule = kSchedule;
  schedule.kind = kind;
  schedule.decay_steps = 20;
  return schedule;
}

// Runs that were started before there were other schedules go on with the same bits.
TEST(LearningRate, CosineHasTheBitsOfItsFormula) {
  for (int64_t step = 10; step < 110; ++step) {
    const double progress = static_cast<double>(step - 10) / 100.0;
    EXPECT_EQ(LearningRate(kSchedule, step),
              1e-4 + 0.5 * (1e-3 - 1e-4) * (1.0 + std::cos(std::numbers::pi * progress)));
  }
}

TEST(LearningRate, LinearFallsInEqualStepsToTheMinimum) {
  const LearningRateSchedule linear = Of(LearningRateSchedule::Kind::kLinear);
  EXPECT_DOUBLE_EQ(LearningRate(linear, 4), 5e-4);  // the warm-up is the same
  EXPECT_DOUBLE_EQ(LearningRate(linear, 10), 1e-3);
  EXPECT_DOUBLE_EQ(LearningRate(linear, 35), 1e-3 - 0.25 * 9e-4);
  EXPECT_DOUBLE_EQ(LearningRate(linear, 109), 1e-4 + 0.01 * 9e-4);
  EXPECT_EQ(LearningRate(linear, 110), 1e-4);
}

TEST(LearningRate, ConstantStaysAtTheMaximum) {
  const LearningRateSchedule constant = Of(LearningRateSchedule::Kind::kConstant);
  EXPECT_DOUBLE_EQ(LearningRate(constant, 4), 5e-4);
  for (const int64_t step : {10, 60, 109, 110, 1000}) EXPECT_EQ(LearningRate(constant, step), 1e-3);
}

TEST(LearningRate, WarmupStableDecayFallsOverItsLastSteps) {
  LearningRateSchedule wsd = Of(LearningRateSchedule::Kind::kWarmupStableDecay);
  EXPECT_DOUBLE_EQ(LearningRate(wsd, 4), 5e-4);
  for (const int64_t step : {10, 60, 90}) EXPECT_EQ(LearningRate(wsd, step), 1e-3);
  // A quarter of the way: √¼ = ½.
  EXPECT_DOUBLE_EQ(LearningRate(wsd, 95), 1e-4 + 0.5 * 9e-4);
  EXPECT_DOUBLE_EQ(LearningRate(wsd, 109), 1e-4 + (1 - std::sqrt(0.95)) * 9e-4);
  EXPECT_EQ(LearningRate(wsd, 110), 1e-4);
  wsd.decay = LearningRateSchedule::Decay::kLinear;
  EXPECT_DOUBLE_EQ(LearningRate(wsd, 95), 1e-4 + 0.75 * 9e-4);
  EXPECT_DOUBLE_EQ(LearningRate(wsd, 109), 1e-4 + 0.05 * 9e-4);
}

// What makes it worth having: a longer run repeats the shorter one up to its decay.
TEST(LearningRate, WarmupStableDecayDoesNotKnowTheEndBeforeItsDecay) {
  const LearningRateSchedule wsd = Of(LearningRateSchedule::Kind::kWarmupStableDecay);
  LearningRateSchedule longer = wsd;
  longer.total_steps = 500;
  for (int64_t step = 0; step <= 90; ++step)
    EXPECT_EQ(LearningRate(wsd, step), LearningRate(longer, step));
}

TEST(LearningRate, IsMadeOfTheConfig) {
  OptimizerConfig config;
  config.set_lr(0.5);
  config.set_min_lr(0.1);
  config.set_warmup_steps(2);
  EXPECT_EQ(MakeLearningRateSchedule(config, 9).kind, LearningRateSchedule::Kind::kCosine);
  config.set_schedule(OptimizerConfig::WSD);
  config.set_decay_steps(4);
  config.set_decay(OptimizerConfig::LINEAR_DECAY);
  const LearningRateSchedule schedule = MakeLearningRateSchedule(config, 10);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 1), 0.5);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 6), 0.5);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 8), 0.3);
}

}  // namespace
}  // namespace cadmus
