// SPDX-License-Identifier: Apache-2.0
// Parameter: a named trainable tensor: how it starts, where it lives, where its gradient goes.
// Modules declare their parameters; ParameterStore gives them memory and values;
// runtime/parallel/data gives their gradients memory.
#pragma once

#include <functional>
#include <string>

#include "kernels/base/tensor_view.h"
#include "kernels/ops/step_scalars.h"

namespace cadmus {

struct InitialValue {
  enum class Kind { kNormal, kConstant };
  Kind kind = Kind::kConstant;
  double value = 0;  // the standard deviation of kNormal (mean 0), or the constant
};

struct Parameter {
  std::string name;  // unique in the model and the same in every layout: "blocks.0.mlp.down.weight"
  Shape shape;       // global
  InitialValue initial;
  bool weight_decay = true;
  int num_uses =
      1;  // contributions to its gradient per micro-batch: 2 where embedding and head are tied

  TensorView weight;  // dtype Precision::parameters
  TensorView grad;    // dtype Precision::gradients
};

// What a module needs of the owner of gradients. For each contribution, in an order fixed by the
// schedule:
//
//   GradMode mode = sink.Begin(parameter);   // then issue the op that writes parameter.grad in
//   this mode sink.End(parameter);                     // after the last contribution of the step,
//   its reduction may start
class GradientSink {
 public:
  virtual ~GradientSink() = default;
  virtual GradMode Begin(Parameter& parameter) = 0;
  virtual void End(Parameter& parameter) = 0;
};

}  // namespace cadmus
