// SPDX-License-Identifier: Apache-2.0
// MetricsObserver: a line of metrics.jsonl and a line for people after each step; for one rank of
// the world.
#pragma once

#include <optional>

#include "kernels/device/allocator.h"
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
  MetricsObserver(MetricsFile& file, const Allocator& memory, const Rate& rate)
      : file_(file), memory_(memory), rate_(rate) {}

  void AfterStep(const StepReport& report) override;
  void AtEnd(int64_t, Outcome) override {}

 private:
  MetricsFile& file_;
  const Allocator& memory_;
  Rate rate_;
  double recent_seconds_ = 0;  // moving average
};

}  // namespace cadmus
