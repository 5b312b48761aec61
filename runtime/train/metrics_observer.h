// SPDX-License-Identifier: Apache-2.0
// MetricsObserver: a line of metrics.jsonl and a line for people after each step; for one rank of
// the world.
#pragma once

#include <optional>

#include "kernels/device/device.h"
#include "runtime/metrics/metrics_file.h"
#include "runtime/train/trainer.h"

namespace cadmus {

class MetricsObserver final : public StepObserver {
 public:
  struct Rate {
    double flops_per_step = 0;         // model FLOPs of the global batch
    std::optional<double> peak_flops;  // per second, of all ranks; nothing: mfu is not shown
  };

  // Both must outlive the observer.
  MetricsObserver(MetricsFile& file, Device& device, const Rate& rate)
      : file_(file), device_(device), rate_(rate) {}

  void AfterStep(const StepReport& report) override;
  void AtEnd(int64_t, Outcome) override {}

 private:
  MetricsFile& file_;
  Device& device_;
  Rate rate_;
  bool has_stepped_ = false;
  std::optional<int64_t> context_bytes_;
  double recent_seconds_ = 0;  // moving average
};

}  // namespace cadmus
