// SPDX-License-Identifier: Apache-2.0
// Parameter: a named trainable tensor: how it starts, where it lives, where its gradient goes.
// Modules declare their parameters; ParameterStore gives them memory and values;
// runtime/parallel/data gives their gradients memory.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels/base/tensor_view.h"
#include "kernels/ops/step_scalars.h"
#include "runtime/mesh/placement.h"

namespace cadmus {

struct InitialValue {
  enum class Kind { kNormal, kConstant };
  Kind kind = Kind::kConstant;
  double value = 0;  // the standard deviation of kNormal (mean 0), or the constant
};

class Communicator;

// Rows [begin, end) of a local gradient of which each rank of `ranks` has computed a part: they are
// summed over `ranks` before the data-parallel ranks add theirs.
struct PartialRows {
  int64_t begin = 0, end = 0;
  Communicator* ranks = nullptr;
};

struct Parameter {
  std::string name;  // unique in the model and the same in every layout: "blocks.0.mlp.down.weight"
  Shape shape;       // global
  InitialValue initial;
  bool weight_decay = true;
  // Contributions to its gradient per micro-batch in one chunk: 2 where a chunk has both the
  // embedding and the head, and they are tied.
  int num_uses = 1;

  // The part of it that this rank's modules work with (models/<family>/placement.cc). No
  // local_shape: all of it. A local_shape without slices: nothing but padding.
  Shape local_shape;  // with padding and replicas
  std::vector<PlacedSlice> slices;
  std::vector<PartialRows> partial_rows;
  // The pipeline stages that hold the same parameter (tied embeddings), of which this rank's is
  // one; null: only this one. Their gradients are added; the first is counted in norms and saved.
  Communicator* holders = nullptr;
  bool is_first_holder = true;
  int norm_slot = 0;  // its place among the norms of all parameters of the model

  TensorView weight;  // local; dtype Precision::parameters
  TensorView grad;    // local; dtype Precision::gradients

  const Shape& LocalShape() const { return local_shape.num_dims() == 0 ? shape : local_shape; }
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
