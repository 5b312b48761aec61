// SPDX-License-Identifier: Apache-2.0
#include "runtime/optim/learning_rate.h"

#include <cmath>
#include <numbers>

#include "kernels/base/error.h"
#include "runtime/optim/optimizer_config.pb.h"

namespace cadmus {
namespace {

LearningRateSchedule::Kind KindOf(OptimizerConfig::Schedule schedule) {
  switch (schedule) {
    case OptimizerConfig::COSINE:
      return LearningRateSchedule::Kind::kCosine;
    case OptimizerConfig::LINEAR:
      return LearningRateSchedule::Kind::kLinear;
    case OptimizerConfig::CONSTANT:
      return LearningRateSchedule::Kind::kConstant;
    case OptimizerConfig::WSD:
      return LearningRateSchedule::Kind::kWarmupStableDecay;
  }
  CADMUS_UNREACHABLE("a value of OptimizerConfig::Schedule");
}

double Fraction(int64_t part, int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

LearningRateSchedule MakeLearningRateSchedule(const OptimizerConfig& config, int64_t total_steps) {
  return {.kind = KindOf(config.schedule()),
          .decay = config.decay() == OptimizerConfig::LINEAR_DECAY
                       ? LearningRateSchedule::Decay::kLinear
                       : LearningRateSchedule::Decay::kOneMinusSqrt,
          .maximum = config.lr(),
          .minimum = config.min_lr(),
          .warmup_steps = config.warmup_steps(),
          .decay_steps = config.decay_steps(),
          .total_steps = total_steps};
}

double LearningRate(const LearningRateSchedule& schedule, int64_t step) {
  using Down = LearningRateSchedule::Kind;
  if (step < schedule.warmup_steps) {
    return schedule.maximum * static_cast<double>(step + 1) /
           static_cast<double>(schedule.warmup_steps);
  }
  if (schedule.kind == Down::kConstant) return schedule.maximum;
  if (step >= schedule.total_steps) return schedule.minimum;
  const double range = schedule.maximum - schedule.minimum;
  if (schedule.kind == Down::kWarmupStableDecay) {
    const int64_t decayed = step - (schedule.total_steps - schedule.decay_steps);
    if (decayed <= 0) return schedule.maximum;
    const double progress = Fraction(decayed, schedule.decay_steps);
    const bool linear = schedule.decay == LearningRateSchedule::Decay::kLinear;
    return schedule.minimum + range * (1.0 - (linear ? progress : std::sqrt(progress)));
  }
  const double progress =
      Fraction(step - schedule.warmup_steps, schedule.total_steps - schedule.warmup_steps);
  if (schedule.kind == Down::kLinear) return schedule.minimum + range * (1.0 - progress);
  return schedule.minimum + 0.5 * range * (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace cadmus
