// SPDX-License-Identifier: Apache-2.0
// GlobalStep: what a step left behind on all ranks of a layout, put together on the host: every
// element of every global tensor from its one writer, every other copy of it bit-equal.
#pragma once

#include <string>
#include <vector>

#include "kernels/base/shape.h"
#include "runtime/mesh/flat_split.h"
#include "runtime/mesh/placement.h"
#include "runtime/train/train_step.h"

namespace cadmus {

// Elements [begin, begin + count) of a piece are those from global_begin on of the global tensor in
// row-major order.
struct PieceRun {
  int64_t global_begin = 0, begin = 0, count = 0;
  bool is_writer = true;
};

// What one rank holds of one global tensor, as f64.
struct Piece {
  std::string name;
  Shape global_shape;
  std::vector<PieceRun> runs;
  std::vector<double> values;
};

// The runs of a box that is stored contiguously; all written or all copies.
std::vector<PieceRun> RunsOfBox(const Shape& global_shape, const Shape& offset, const Shape& extent,
                                bool is_writer);

// The runs of elements `range` of a local tensor of `local_shape`, row-major, whose `slices` lie in
// the global tensor; no slices: the local tensor is the global one. Padding has no run. A slice's
// owner writes it if `is_writer`.
std::vector<PieceRun> RunsOfRange(const Shape& global_shape, const Shape& local_shape,
                                  const std::vector<PlacedSlice>& slices, const FlatRange& range,
                                  bool is_writer);

// One step on one rank.
struct RankStep {
  StepResult result;
  std::vector<Piece> gradients;  // over all ranks, before clipping
  std::vector<Piece> state;      // weights and moments
};

struct GlobalTensor {
  std::string name;  // "gradient of blocks.0.mlp.down.weight", "optimizer.m.…", …
  std::vector<double> values;
};

struct GlobalStep {
  StepResult result;  // of rank 0
  // What does not fit together, first of each sort: ranks report other results; an element has no
  // writer or two; a copy has other bits. Empty: all does.
  std::vector<std::string> problems;
  std::vector<GlobalTensor> gradients, state;  // in the order in which ranks name them
};

// Puts a step together from all ranks.
GlobalStep PutTogether(const std::vector<const RankStep*>& ranks);

}  // namespace cadmus
