// SPDX-License-Identifier: Apache-2.0
#include "runtime/optim/learning_rate.h"

#include <cmath>
#include <numbers>

namespace cadmus {

double LearningRate(const LearningRateSchedule& schedule, int64_t step) {
  if (step < schedule.warmup_steps) {
    return schedule.maximum * static_cast<double>(step + 1) /
           static_cast<double>(schedule.warmup_steps);
  }
  if (step >= schedule.total_steps) return schedule.minimum;
  const double progress = static_cast<double>(step - schedule.warmup_steps) /
                          static_cast<double>(schedule.total_steps - schedule.warmup_steps);
  return schedule.minimum + 0.5 * (schedule.maximum - schedule.minimum) *
                                (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace cadmus
