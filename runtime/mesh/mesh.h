// SPDX-License-Identifier: Apache-2.0
// Mesh: where every rank stands along every axis. The only code that computes coordinates; all
// others receive (index, count) or the ranks of a group.
//
//   Mesh mesh({.dp_shard = 4, .tp = 8}, world_size);
//   MeshGroup zero = mesh.GroupOf(rank, kZeroAxes);   // my group: my index and the members
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/mesh/axis.h"
#include "runtime/mesh/axis_sizes.h"

namespace cadmus {

// The ranks that differ from each other only along some axes, in the order of the flattened index.
struct MeshGroup {
  std::string name;        // GroupName(axes)
  int index = 0;           // of the rank that asked: ranks[index] is itself
  std::vector<int> ranks;  // in the world

  int size() const { return static_cast<int>(ranks.size()); }
};

class Mesh {
 public:
  // Positions 0 … world_size−1 nest tp fastest, then cp_ulysses, cp_ring, dp_shard, dp_replicate,
  // and pp slowest; for experts etp, ep, edp_shard, edp_replicate, pp. The rank
  // placement_on_machine[position] stands at that position; empty means rank = position. Throws
  // kConfig if the sizes do not make a layout (see FillWorld) or placement_on_machine is not a
  // permutation.
  Mesh(const AxisSizes& sizes, int world_size, std::span<const int> placement_on_machine = {});

  int world_size() const { return world_size_; }
  const AxisSizes& sizes() const { return sizes_; }

  // Below, `axes` lie all in kDenseAxes or all in kExpertAxes, and 0 ≤ rank < world_size.

  // The number of ranks of each group over `axes`: the product of their sizes, 1 if empty.
  int Size(AxisSet axes) const;

  // The coordinate of `rank` along one axis.
  int Coordinate(int rank, Axis axis) const { return IndexInGroup(rank, axis); }
  // The flattened coordinate of `rank` along `axes`, in [0, Size(axes)).
  int IndexInGroup(int rank, AxisSet axes) const;
  // The rank that stands where `rank` does but for index `index` along `axes`.
  int Peer(int rank, AxisSet axes, int index) const;
  // Takes time and memory proportional to the size of the group.
  MeshGroup GroupOf(int rank, AxisSet axes) const;

 private:
  // Three bytes keep both directions of the permutation of 131,072 ranks within 768 KiB.
  struct PackedRank {
    std::array<uint8_t, 3> bytes;

    explicit PackedRank(int value = 0)
        : bytes{static_cast<uint8_t>(value), static_cast<uint8_t>(value >> 8),
                static_cast<uint8_t>(value >> 16)} {}
    int value() const { return bytes[0] | bytes[1] << 8 | bytes[2] << 16; }
  };

  int PositionOf(int rank) const;
  int RankAt(int position) const;
  int IndexAt(int position, AxisSet axes) const;
  // `position` moved to flattened index `index` along `axes`.
  int MovedTo(int position, AxisSet axes, int index) const;

  AxisSizes sizes_;
  int world_size_;
  std::array<int, kNumAxes> size_of_;
  std::array<int, kNumAxes> stride_of_;  // in positions
  std::vector<PackedRank> rank_at_;      // both empty when rank = position
  std::vector<PackedRank> position_of_;
};

}  // namespace cadmus
