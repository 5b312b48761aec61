// SPDX-License-Identifier: Apache-2.0
// StepMetrics: the numbers of one training step that people and files see.
#pragma once

#include <cstdint>
#include <optional>

namespace cadmus {

struct StepMetrics {
  int64_t step = 0;  // completed steps, this one included
  int64_t total_steps = 0;
  double loss = 0;
  double gradient_norm = 0;
  double learning_rate = 0;
  int64_t tokens = 0;         // of this step's global batch
  double seconds = 0;         // wall clock of this step
  double recent_seconds = 0;  // mean of recent steps, for the estimated end; 0: `seconds` is used
  std::optional<double> mfu;  // 0.431; absent where no peak is stated
  int64_t memory_bytes = 0;   // of the device, peak
  // Of a GPU: used beside the slab, by its context and libraries.
  std::optional<int64_t> context_bytes;

  double tokens_per_second() const {
    return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
  }
};

}  // namespace cadmus
