// SPDX-License-Identifier: Apache-2.0
#include "runtime/optim/adamw.h"

#include "kernels/ops/adamw.h"
#include "runtime/optim/optimizer_config.pb.h"

namespace cadmus {

AdamWOptions MakeAdamWOptions(const OptimizerConfig& config) {
  return {.beta1 = config.beta1(),
          .beta2 = config.beta2(),
          .epsilon = config.epsilon(),
          .weight_decay = config.weight_decay()};
}

AdamWOptimizer::AdamWOptimizer(const std::vector<ParameterShard>& shards,
                               const AdamWOptions& options, const Precision& precision,
                               Stream& stream)
    : options_(options) {
  if (precision.master != precision.parameters) {
    throw Error(Kind::kConfig,
                StrCat("master weights of ", Name(precision.master), " beside parameters of ",
                       Name(precision.parameters), " are not supported; use one dtype for both"));
  }
  const auto zeros = [&](const ParameterShard& shard) {
    Tensor moment(precision.optimizer_state, {shard.range.extent}, MemoryCategory::kOptimizer,
                  stream);
    stream.device().FillZero(moment, stream);
    return moment;
  };
  moments_.reserve(shards.size());
  for (const ParameterShard& shard : shards)
    moments_.push_back({.shard = shard, .m_N = zeros(shard), .v_N = zeros(shard)});
}

void AdamWOptimizer::Step(const ConstTensorView& scalars, Stream& stream) {
  for (const Moments& moments : moments_) {
    const ParameterShard& shard = moments.shard;
    if (shard.range.extent == 0) continue;
    AdamW({.scalars = scalars,
           .grad_N = shard.grad_N,
           .master_N = shard.weight_N,
           .m_N = moments.m_N,
           .v_N = moments.v_N,
           .beta1 = options_.beta1,
           .beta2 = options_.beta2,
           .epsilon = options_.epsilon,
           .weight_decay = shard.parameter->weight_decay ? options_.weight_decay : 0},
          stream);
  }
}

std::vector<StateEntry> AdamWOptimizer::StateEntries() const {
  std::vector<StateEntry> entries;
  const auto append = [&](const std::vector<StateEntry>& of_moment) {
    entries.insert(entries.end(), of_moment.begin(), of_moment.end());
  };
  for (const Moments& moments : moments_) {
    append(EntriesOf("optimizer.m.", moments.shard, moments.m_N));
    append(EntriesOf("optimizer.v.", moments.shard, moments.v_N));
  }
  return entries;
}

}  // namespace cadmus
