// SPDX-License-Identifier: Apache-2.0
// The learning rate of each step: linear warm-up, then a cosine down to a floor.
#pragma once

#include <cstdint>

namespace cadmus {

struct LearningRateSchedule {
  double maximum = 3e-4;
  double minimum = 0;  // reached at the last step and kept after it
  int64_t warmup_steps = 0;
  int64_t total_steps = 1;
};

// Steps count from 0. For step < warmup: maximum · (step + 1) / warmup; then
// minimum + (maximum - minimum) / 2 · (1 + cos(π · (step - warmup) / (total - warmup))).
// Source: Loshchilov & Hutter, 1608.03983, without restarts.
double LearningRate(const LearningRateSchedule& schedule, int64_t step);

}  // namespace cadmus
