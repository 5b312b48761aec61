// SPDX-License-Identifier: Apache-2.0
// AdamWOptimizer: AdamW (kernels/ops/adamw.h) over this rank's shards of all parameters, with two
// moments of each as state.
#pragma once

#include <vector>

#include "kernels/device/tensor.h"
#include "runtime/nn/precision.h"
#include "runtime/parallel/data/parameter_shard.h"
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
  // Moments start at zero. The memory that the shards show, and their parameters, must outlive the
  // optimizer. The master weights are the weights themselves: Precision::master must equal
  // Precision::parameters (kConfig).
  AdamWOptimizer(const std::vector<ParameterShard>& shards, const AdamWOptions& options,
                 const Precision& precision, Stream& stream);

  // Updates the shards' weights from their gradients; learning rate, clip factor and step come from
  // `scalars`.
  void Step(const ConstTensorView& scalars, Stream& stream);

  // "optimizer.m.<parameter>", "optimizer.v.<parameter>"; is_writer as EntriesOf says.
  std::vector<StateEntry> StateEntries() const;

 private:
  struct Moments {
    ParameterShard shard;
    Tensor m_N, v_N;
  };
  AdamWOptions options_;
  std::vector<Moments> moments_;
};

}  // namespace cadmus
