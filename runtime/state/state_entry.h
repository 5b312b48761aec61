// SPDX-License-Identifier: Apache-2.0
// StateEntry: one piece of a run's state as checkpoints see it: a box of a named global tensor that
// lives in this rank's device memory. Several entries may share a name (several boxes). Exactly one
// rank is the writer of each element.
#pragma once

#include <string>

#include "kernels/base/tensor_view.h"

namespace cadmus {

struct StateEntry {
  std::string name;  // "blocks.0.mlp.down.weight", "optimizer.m.blocks.0.mlp.down.weight"
  Shape global_shape;
  Shape offset;      // of the box in the global tensor
  TensorView local;  // contiguous; its shape is the box's extent
  bool is_writer = true;
};

}  // namespace cadmus
