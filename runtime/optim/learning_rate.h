// SPDX-License-Identifier: Apache-2.0
// The learning rate of each step: linear warm-up, then one of the published ways down.
#pragma once

#include <cstdint>

namespace cadmus {

class OptimizerConfig;

struct LearningRateSchedule {
  enum class Kind { kCosine, kLinear, kConstant, kWarmupStableDecay };
  enum class Decay { kOneMinusSqrt, kLinear };  // of kWarmupStableDecay

  Kind kind = Kind::kCosine;
  Decay decay = Decay::kOneMinusSqrt;
  double maximum = 3e-4;
  double minimum = 0;  // from total_steps on; not of kConstant
  int64_t warmup_steps = 0;
  int64_t decay_steps = 0;  // of kWarmupStableDecay: in [1, total_steps - warmup_steps]
  int64_t total_steps = 1;
};

LearningRateSchedule MakeLearningRateSchedule(const OptimizerConfig& config, int64_t total_steps);

// Steps t count from 0; w = warmup_steps, T = total_steps, d = decay_steps. For t < w:
// maximum · (t + 1) / w. Then, with p = (t − w) / (T − w) and q = (t − (T − d)) / d,
// minimum + (maximum − minimum) · f, f being
//
//   cosine      (1 + cos(π p)) / 2            Loshchilov & Hutter, 1608.03983, without restarts
//   linear      1 − p                         Devlin et al., 1810.04805, appendix A.2
//   constant    1
//   WSD         1 for t < T − d, then         Hu et al. (MiniCPM), 2404.06395, section 4
//                 1 − √q (1-sqrt)             Hägele et al., 2405.18392, section 3
//                 1 − q  (linear)             ditto
//
// and, but for the constant schedule, 0 for t ≥ T.
double LearningRate(const LearningRateSchedule& schedule, int64_t step);

}  // namespace cadmus
