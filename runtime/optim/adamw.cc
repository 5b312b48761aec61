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

AdamWOptimizer::AdamWOptimizer(const std::vector<Parameter*>& parameters,
                               const AdamWOptions& options, const Precision& precision,
                               Stream& stream)
    : options_(options) {
  if (precision.master != precision.parameters) {
    throw Error(Kind::kConfig,
                StrCat("master weights of ", Name(precision.master), " beside parameters of ",
                       Name(precision.parameters), " are not supported; use one dtype for both"));
  }
  moments_.reserve(parameters.size());
  for (Parameter* parameter : parameters) {
    moments_.push_back({.parameter = parameter,
                        .m = Tensor(precision.optimizer_state, parameter->shape,
                                    MemoryCategory::kOptimizer, stream),
                        .v = Tensor(precision.optimizer_state, parameter->shape,
                                    MemoryCategory::kOptimizer, stream)});
    stream.device().FillZero(moments_.back().m, stream);
    stream.device().FillZero(moments_.back().v, stream);
  }
}

void AdamWOptimizer::Step(const ConstTensorView& scalars, Stream& stream) {
  for (const Moments& moments : moments_) {
    const Parameter& parameter = *moments.parameter;
    const Shape flat = {parameter.shape.num_elements()};
    AdamW({.scalars = scalars,
           .grad_N = parameter.grad.Reshape(flat),
           .master_N = parameter.weight.Reshape(flat),
           .m_N = moments.m.view().Reshape(flat),
           .v_N = moments.v.view().Reshape(flat),
           .beta1 = options_.beta1,
           .beta2 = options_.beta2,
           .epsilon = options_.epsilon,
           .weight_decay = parameter.weight_decay ? options_.weight_decay : 0},
          stream);
  }
}

std::vector<StateEntry> AdamWOptimizer::StateEntries() const {
  std::vector<StateEntry> entries;
  for (const Moments& moments : moments_) {
    const Parameter& parameter = *moments.parameter;
    Shape origin = parameter.shape;
    for (int dim = 0; dim < origin.num_dims(); ++dim) origin[dim] = 0;
    const auto add = [&](const char* moment, const Tensor& tensor) {
      entries.push_back({.name = StrCat("optimizer.", moment, ".", parameter.name),
                         .global_shape = parameter.shape,
                         .offset = origin,
                         .local = tensor.view()});
    };
    add("m", moments.m);
    add("v", moments.v);
  }
  return entries;
}

}  // namespace cadmus
