// SPDX-License-Identifier: Apache-2.0
// AdamWOptimizer: AdamW (kernels/ops/adamw.h) over this rank's shards of all parameters, with two
// moments of each as state, and the master weights where they are not the weights themselves.
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
  // Moments start at zero, and so do masters. The memory that the shards show, and their
  // parameters, must outlive the optimizer. The master weights are the weights themselves where
  // Precision::master equals Precision::parameters; otherwise the optimizer keeps them, sharded
  // like its moments, and every step rounds them to the weights. Throws kConfig for masters of
  // another dtype than the moments.
  AdamWOptimizer(const std::vector<ParameterShard>& shards, const AdamWOptions& options,
                 const Precision& precision, Stream& stream);

  // Writes the first values of the masters that it keeps; those of the weights round to the
  // weights' own (initial_values.h). Blocks.
  void Initialize(uint64_t seed, Stream& stream);

  // Updates the shards' weights from their gradients; learning rate, clip factor and step come from
  // `scalars`.
  void Step(const ConstTensorView& scalars, Stream& stream);

  // "optimizer.m.<parameter>", "optimizer.v.<parameter>" and, where it is kept, the master as
  // "<parameter>": what is stored of a weight is its master. is_writer as EntriesOf says.
  std::vector<StateEntry> StateEntries() const;

 private:
  struct State {
    ParameterShard shard;
    Tensor m_N, v_N;
    Tensor master_N;  // empty: the weight
  };
  AdamWOptions options_;
  std::vector<State> states_;
};

}  // namespace cadmus
