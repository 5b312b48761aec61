// SPDX-License-Identifier: Apache-2.0
#include "runtime/optim/adamw.h"

#include "kernels/ops/adamw.h"
#include "runtime/nn/initial_values.h"
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
  if (precision.master != precision.optimizer_state) {
    throw Error(Kind::kConfig,
                StrCat("master weights of ", Name(precision.master), " beside optimizer state of ",
                       Name(precision.optimizer_state), "; use one dtype for both"));
  }
  const auto zeros = [&](const ParameterShard& shard) {
    Tensor state(precision.optimizer_state, {shard.range.extent}, MemoryCategory::kOptimizer,
                 stream);
    stream.device().FillZero(state, stream);
    return state;
  };
  const bool keeps_masters = precision.master != precision.parameters;
  states_.reserve(shards.size());
  for (const ParameterShard& shard : shards) {
    states_.push_back({.shard = shard,
                       .m_N = zeros(shard),
                       .v_N = zeros(shard),
                       .master_N = keeps_masters ? zeros(shard) : Tensor()});
  }
}

void AdamWOptimizer::Initialize(uint64_t seed, Stream& stream) {
  for (const State& state : states_) {
    if (!state.master_N) continue;
    WriteInitialValues(*state.shard.parameter, seed, state.shard.range, state.master_N, stream);
  }
}

void AdamWOptimizer::Step(const ConstTensorView& scalars, Stream& stream) {
  for (const State& state : states_) {
    const ParameterShard& shard = state.shard;
    if (shard.range.extent == 0) continue;
    AdamW({.scalars = scalars,
           .grad_N = shard.grad_N,
           .master_N = state.master_N ? state.master_N.view() : shard.weight_N,
           .m_N = state.m_N,
           .v_N = state.v_N,
           .weight_N = state.master_N ? shard.weight_N : TensorView(),
           .beta1 = options_.beta1,
           .beta2 = options_.beta2,
           .epsilon = options_.epsilon,
           .weight_decay = shard.parameter->weight_decay ? options_.weight_decay : 0},
          stream);
  }
}

std::vector<StateEntry> AdamWOptimizer::StateEntries() const {
  std::vector<StateEntry> entries;
  const auto append = [&](const std::vector<StateEntry>& of_tensor) {
    entries.insert(entries.end(), of_tensor.begin(), of_tensor.end());
  };
  for (const State& state : states_) {
    append(EntriesOf("optimizer.m.", state.shard, state.m_N));
    append(EntriesOf("optimizer.v.", state.shard, state.v_N));
    if (state.master_N) append(EntriesOf("", state.shard, state.master_N));
  }
  return entries;
}

}  // namespace cadmus
