// SPDX-License-Identifier: Apache-2.0
// AxisSizes: how many ranks lie along each axis, and the rule that makes a set of sizes a layout:
// both products, dense and expert, equal the world.
#pragma once

#include <string>

#include "runtime/mesh/axis.h"

namespace cadmus {

inline constexpr int kMaxWorldSize = 1 << 24;

// 0 for dp_replicate or edp_replicate: as many as fill the world.
struct AxisSizes {
  int pp = 1;
  int dp_replicate = 0;
  int dp_shard = 1;
  int cp_ring = 1;
  int cp_ulysses = 1;
  int tp = 1;
  int edp_replicate = 0;
  int edp_shard = 1;
  int ep = 1;
  int etp = 1;

  int operator[](Axis axis) const;
  void Set(Axis axis, int size);
};

// "pp 1, dp_replicate 4, …, tp 2"; the expert axes are added where an expert is split.
std::string ToString(const AxisSizes& sizes);

// The first of these rules that `requested` breaks, in words; empty for a layout:
// 1 ≤ world_size ≤ kMaxWorldSize, every size ≥ 1 (0 where that means "fill"), and
//   pp · dp_replicate · dp_shard · cp_ring · cp_ulysses · tp = world_size
//   pp · edp_replicate · edp_shard · ep · etp                = world_size.
std::string AxisSizesProblem(const AxisSizes& requested, int world_size);

// `requested` with the two replicate axes filled in. Throws kConfig, naming the broken rule and the
// nearest valid layout, where AxisSizesProblem finds one.
AxisSizes FillWorld(const AxisSizes& requested, int world_size);

// The valid layout of `world_size` ranks that changes the fewest axes of `requested`, then changes
// them by the smallest factors, then keeps tp and changes dp_replicate.
AxisSizes NearestLayout(const AxisSizes& requested, int world_size);

}  // namespace cadmus
