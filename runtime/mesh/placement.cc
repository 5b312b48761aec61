// SPDX-License-Identifier: Apache-2.0
#include "runtime/mesh/placement.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace cadmus {

struct Placement::Piece {
  int64_t global_offset;
  int64_t local_offset;
  int64_t extent;
  int replicas;
  int replica;
};

Placement::Placement(const Mesh& mesh, PlacementSpec spec) : mesh_(&mesh), spec_(std::move(spec)) {
  CADMUS_CHECK(spec_.family == kDenseAxes || spec_.family == kExpertAxes,
               StrCat(spec_.name, " lives on ", GroupName(spec_.family)));
  CADMUS_CHECK(!spec_.pp_holders.empty(), StrCat(spec_.name, " has no holder"));
  for (size_t i = 0; i < spec_.pp_holders.size(); ++i) {
    const int stage = spec_.pp_holders[i];
    CADMUS_CHECK(0 <= stage && stage < mesh.Size(Axis::kPp) &&
                     std::count(spec_.pp_holders.begin(), spec_.pp_holders.end(), stage) == 1,
                 StrCat(spec_.name, " held by pp ", stage, " of ", mesh.Size(Axis::kPp)));
  }

  AxisSet used = Axis::kPp;
  std::vector<int64_t> global;
  std::vector<int64_t> local;
  for (size_t d = 0; d < spec_.dims.size(); ++d) {
    const DimPlacement& dim = spec_.dims[d];
    CADMUS_CHECK(spec_.family.Contains(dim.axes) && !used.Intersects(dim.axes),
                 StrCat(spec_.name, " dim ", d, " over ", GroupName(dim.axes)));
    used = used | dim.axes;
    const int count = mesh.Size(dim.axes);
    global.push_back(0);
    local.push_back(0);
    for (const Block& block : dim.blocks) {
      CADMUS_CHECK(block.extent >= 0 && block.padding >= 0 && block.replicas >= 1,
                   StrCat(spec_.name, " dim ", d, ": extent ", block.extent, ", padding ",
                          block.padding, ", replicas ", block.replicas));
      if (count % block.replicas != 0) {
        throw Error(Kind::kConfig,
                    StrCat(spec_.name, " dim ", d, ": ", block.replicas, " replicas do not divide ",
                           GroupName(dim.axes), " ", count, "; choose a size of ",
                           GroupName(dim.axes), " that is a multiple of ", block.replicas));
      }
      const int num_pieces = count / block.replicas;
      const int64_t padded = block.extent + block.padding;
      if (padded % num_pieces != 0) {
        throw Error(Kind::kConfig,
                    StrCat(spec_.name, " dim ", d, ": ", padded, " elements do not divide into ",
                           num_pieces, " pieces over ", GroupName(dim.axes), " ", count,
                           "; pad by ", PaddingFor(padded, num_pieces), " or choose a size of ",
                           GroupName(dim.axes), " that divides"));
      }
      global.back() += block.extent;
      local.back() += padded / num_pieces;
    }
  }
  replicated_axes_ = spec_.family - used;
  global_shape_ = Shape(global);
  local_shape_ = Shape(local);
}

bool Placement::Holds(int rank) const {
  return std::count(spec_.pp_holders.begin(), spec_.pp_holders.end(),
                    mesh_->Coordinate(rank, Axis::kPp)) == 1;
}

int Placement::HolderIndex(int rank) const {
  const int stage = mesh_->Coordinate(rank, Axis::kPp);
  const auto at = std::find(spec_.pp_holders.begin(), spec_.pp_holders.end(), stage);
  CADMUS_CHECK(at != spec_.pp_holders.end(), StrCat("pp ", stage, " does not hold ", spec_.name));
  return static_cast<int>(at - spec_.pp_holders.begin());
}

std::vector<Placement::Piece> Placement::PiecesOf(const DimPlacement& dim, int rank) const {
  const int count = mesh_->Size(dim.axes);
  const int index = mesh_->IndexInGroup(rank, dim.axes);
  std::vector<Piece> pieces;
  int64_t block_offset = 0;
  int64_t local_offset = 0;
  for (const Block& block : dim.blocks) {
    const int64_t piece = (block.extent + block.padding) / (count / block.replicas);
    const int64_t start = index / block.replicas * piece;
    const int64_t extent = std::min(piece, block.extent - start);
    if (extent > 0) {
      pieces.push_back({.global_offset = block_offset + start,
                        .local_offset = local_offset,
                        .extent = extent,
                        .replicas = block.replicas,
                        .replica = index % block.replicas});
    }
    block_offset += block.extent;
    local_offset += piece;
  }
  return pieces;
}

std::vector<std::vector<Placement::Piece>> Placement::Boxes(int rank) const {
  std::vector<std::vector<Piece>> boxes = {{}};
  for (const DimPlacement& dim : spec_.dims) {
    const std::vector<Piece> pieces = PiecesOf(dim, rank);
    std::vector<std::vector<Piece>> wider;
    for (const std::vector<Piece>& box : boxes) {
      for (const Piece& piece : pieces) {
        wider.push_back(box);
        wider.back().push_back(piece);
      }
    }
    boxes = std::move(wider);
  }
  return boxes;
}

std::vector<PlacedSlice> Placement::Slices(int rank) const {
  const int holder = HolderIndex(rank);
  const int num_outer = mesh_->Size(replicated_axes_);
  const int outer = holder * num_outer + mesh_->IndexInGroup(rank, replicated_axes_);
  const int num_dims = static_cast<int>(spec_.dims.size());
  std::vector<PlacedSlice> slices;
  for (const std::vector<Piece>& box : Boxes(rank)) {
    PlacedSlice slice{.global_offset = global_shape_,
                      .local_offset = global_shape_,
                      .extent = global_shape_,
                      .replica = outer,
                      .num_replicas = static_cast<int>(spec_.pp_holders.size()) * num_outer};
    for (int d = 0; d < num_dims; ++d) {
      slice.global_offset[d] = box[d].global_offset;
      slice.local_offset[d] = box[d].local_offset;
      slice.extent[d] = box[d].extent;
      slice.replica = slice.replica * box[d].replicas + box[d].replica;
      slice.num_replicas *= box[d].replicas;
    }
    slices.push_back(slice);
  }
  return slices;
}

std::vector<int> Placement::ReplicaRanks(int rank, int slice) const {
  HolderIndex(rank);
  const std::vector<std::vector<Piece>> boxes = Boxes(rank);
  CADMUS_CHECK(0 <= slice && slice < static_cast<int>(boxes.size()),
               StrCat("slice ", slice, " of ", boxes.size(), " of ", spec_.name));
  const std::vector<Piece>& box = boxes[slice];

  // Each stage multiplies the list as PlacedSlice::replica multiplies its index.
  std::vector<int> ranks;
  for (int stage : spec_.pp_holders) ranks.push_back(mesh_->Peer(rank, Axis::kPp, stage));
  const auto spread = [&](AxisSet axes, int first, int count) {
    std::vector<int> wider;
    wider.reserve(ranks.size() * count);
    for (int member : ranks) {
      for (int i = 0; i < count; ++i) wider.push_back(mesh_->Peer(member, axes, first + i));
    }
    ranks = std::move(wider);
  };
  spread(replicated_axes_, 0, mesh_->Size(replicated_axes_));
  for (size_t d = 0; d < spec_.dims.size(); ++d) {
    const int index = mesh_->IndexInGroup(rank, spec_.dims[d].axes);
    spread(spec_.dims[d].axes, index - box[d].replica, box[d].replicas);
  }
  return ranks;
}

}  // namespace cadmus
