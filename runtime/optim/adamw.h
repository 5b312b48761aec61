// SPDX-License-Identifier: Apache-2.0
// AdamWOptimizer: AdamW (kernels/ops/adamw.h) over all parameters of a stage, with its two moments
// as state.
#pragma once

#include <vector>

#include "kernels/device/tensor.h"
#include "runtime/nn/parameter.h"
#include "runtime/nn/precision.h"
#include "runtime/state/state_entry.h"

namespace cadmus {

class OptimizerConfig;

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  double weight_decay = 0.1;  // of parameters whose weight_decay is set
};

AdamWOptions MakeAdamWOptions(const OptimizerConfig& config);

class AdamWOptimizer {
 public:
  // Moments start at zero. The parameters must outlive the optimizer. The master weights are the
  // parameters themselves: Precision::master must equal Precision::parameters (kConfig).
  AdamWOptimizer(const std::vector<Parameter*>& parameters, const AdamWOptions& options,
                 const Precision& precision, Stream& stream);

  // Updates all parameters from their gradients; learning rate, clip factor and step come from
  // `scalars`.
  void Step(const ConstTensorView& scalars, Stream& stream);

  // "optimizer.m.<parameter>", "optimizer.v.<parameter>"
  std::vector<StateEntry> StateEntries() const;

 private:
  struct Moments {
    Parameter* parameter;
    Tensor m, v;
  };
  AdamWOptions options_;
  std::vector<Moments> moments_;
};

}  // namespace cadmus
