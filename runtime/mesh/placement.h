// SPDX-License-Identifier: Apache-2.0
// Placement: which part of a parameter each rank holds, who else holds the same part, and who of
// them writes it. ZeRO cuts local tensors further; see flat_split.h.
//
//   // Fused QKV of 32 query and 4 key/value heads of 128 over tp 8: each KV head is on two ranks.
//   Placement qkv(mesh, {.name = "wqkv", .dims = {
//       {.axes = Axis::kTp, .blocks = {{4096}, {.extent = 512, .replicas = 2},
//                                              {.extent = 512, .replicas = 2}}},
//       Replicated(4096)}});
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/base/shape.h"
#include "runtime/mesh/mesh.h"

namespace cadmus {

// A stretch of a dim that is cut evenly. Over n indices it gives n / replicas pieces of
// (extent + padding) · replicas / n elements; indices replicas · p … replicas · p + replicas − 1
// hold piece p.
struct Block {
  int64_t extent = 0;  // elements of the global tensor
  int replicas = 1;
  int64_t padding = 0;  // elements after the last that exist in local tensors only
};

struct DimPlacement {
  AxisSet axes;               // flattened; empty: not cut
  std::vector<Block> blocks;  // one after the other, in the global dim and in the local one
};

inline DimPlacement Replicated(int64_t extent) { return {.axes = {}, .blocks = {{extent}}}; }
inline DimPlacement Sharded(AxisSet axes, int64_t extent) {
  return {.axes = axes, .blocks = {{extent}}};
}

// The smallest padding that makes `extent` divisible by `num_pieces` (> 0).
inline int64_t PaddingFor(int64_t extent, int64_t num_pieces) {
  return (num_pieces - extent % num_pieces) % num_pieces;
}

struct PlacementSpec {
  std::string name;  // of the parameter, for messages
  std::vector<DimPlacement> dims;
  // kDenseAxes or kExpertAxes: the parameter is replicated over what no dim names, pp excepted.
  AxisSet family = kDenseAxes;
  // The pp coordinates that hold it: one, or several for a tied parameter.
  std::vector<int> pp_holders = {0};
};

// A box of the global tensor that lies in a rank's local tensor, and its place among the ranks that
// hold the same box.
struct PlacedSlice {
  Shape global_offset;
  Shape local_offset;
  Shape extent;
  int replica = 0;  // in [0, num_replicas)
  int num_replicas = 1;

  // The one replica that counts it in norms and, unless balanced otherwise, writes it.
  bool is_owner() const { return replica == 0; }
};

class Placement {
 public:
  // Keeps a pointer to `mesh`. Throws kConfig, naming parameter, dim and remedy, where a block does
  // not divide.
  Placement(const Mesh& mesh, PlacementSpec spec);

  const std::string& name() const { return spec_.name; }
  // Without padding.
  const Shape& global_shape() const { return global_shape_; }
  // Equal on all holders; includes replicas and padding.
  const Shape& local_shape() const { return local_shape_; }

  bool Holds(int rank) const;

  // The slices of a rank that holds the parameter, in row-major order of blocks, none of them
  // empty. What they leave out of the local tensor is padding.
  std::vector<PlacedSlice> Slices(int rank) const;

  // The ranks that hold the same box as Slices(rank)[slice], in the order of PlacedSlice::replica:
  // the first is the owner.
  std::vector<int> ReplicaRanks(int rank, int slice) const;

 private:
  struct Piece;

  // The pieces of one dim on a rank, one for each block that is not all padding there.
  std::vector<Piece> PiecesOf(const DimPlacement& dim, int rank) const;
  // The pieces of every dim that make up each slice, in the order of Slices.
  std::vector<std::vector<Piece>> Boxes(int rank) const;
  int HolderIndex(int rank) const;

  const Mesh* mesh_;
  PlacementSpec spec_;
  AxisSet replicated_axes_;
  Shape global_shape_;
  Shape local_shape_;
};

}  // namespace cadmus
