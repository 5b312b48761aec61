// SPDX-License-Identifier: Apache-2.0
#include "runtime/mesh/mesh.h"

#include "kernels/base/error.h"

namespace cadmus {
namespace {

constexpr std::array kAxes = AllAxes();

// All axes of a group must be in one family, for positions nest differently in each.
void CheckOneFamily(AxisSet axes) {
  CADMUS_CHECK(kDenseAxes.Contains(axes) || kExpertAxes.Contains(axes),
               StrCat(GroupName(axes), " mixes dense and expert axes; a group has one family"));
}

}  // namespace

Mesh::Mesh(const AxisSizes& sizes, int world_size, std::span<const int> placement_on_machine)
    : sizes_(FillWorld(sizes, world_size)), world_size_(world_size) {
  for (Axis axis : kAxes) size_of_[static_cast<int>(axis)] = sizes_[axis];
  for (AxisSet family : {kExpertAxes, kDenseAxes}) {
    int stride = 1;
    for (auto axis = kAxes.rbegin(); axis != kAxes.rend(); ++axis) {
      if (!family.Contains(*axis)) continue;
      stride_of_[static_cast<int>(*axis)] = stride;
      stride *= sizes_[*axis];
    }
  }
  if (placement_on_machine.empty()) return;

  if (placement_on_machine.size() != static_cast<size_t>(world_size)) {
    throw Error(Kind::kConfig,
                StrCat("the placement on the machine lists ", placement_on_machine.size(),
                       " ranks, the world has ", world_size, "; list every rank once"));
  }
  std::vector<bool> seen(world_size);
  rank_at_.reserve(world_size);
  position_of_.resize(world_size);
  for (int position = 0; position < world_size; ++position) {
    const int rank = placement_on_machine[position];
    if (rank < 0 || rank >= world_size || seen[rank]) {
      throw Error(Kind::kConfig,
                  StrCat("the placement on the machine has rank ", rank, " at position ", position,
                         rank < 0 || rank >= world_size ? ", outside the world of " : " again; of ",
                         world_size, " ranks list every one once"));
    }
    seen[rank] = true;
    rank_at_.emplace_back(rank);
    position_of_[rank] = PackedRank(position);
  }
}

int Mesh::Size(AxisSet axes) const {
  CheckOneFamily(axes);
  int size = 1;
  for (Axis axis : kAxes) {
    if (axes.Contains(axis)) size *= size_of_[static_cast<int>(axis)];
  }
  return size;
}

int Mesh::IndexInGroup(int rank, AxisSet axes) const {
  CheckOneFamily(axes);
  return IndexAt(PositionOf(rank), axes);
}

int Mesh::Peer(int rank, AxisSet axes, int index) const {
  const int size = Size(axes);
  CADMUS_CHECK(0 <= index && index < size,
               StrCat("index ", index, " along ", GroupName(axes), " of size ", size));
  return RankAt(MovedTo(PositionOf(rank), axes, index));
}

MeshGroup Mesh::GroupOf(int rank, AxisSet axes) const {
  const int size = Size(axes);
  const int position = PositionOf(rank);
  MeshGroup group{.name = GroupName(axes), .index = IndexAt(position, axes), .ranks = {}};
  group.ranks.reserve(size);
  for (int i = 0; i < size; ++i) group.ranks.push_back(RankAt(MovedTo(position, axes, i)));
  return group;
}

int Mesh::PositionOf(int rank) const {
  CADMUS_CHECK(0 <= rank && rank < world_size_,
               StrCat("rank ", rank, " in a world of ", world_size_));
  return position_of_.empty() ? rank : position_of_[rank].value();
}

int Mesh::RankAt(int position) const {
  return rank_at_.empty() ? position : rank_at_[position].value();
}

int Mesh::IndexAt(int position, AxisSet axes) const {
  int index = 0;
  for (int i = 0; i < kNumAxes; ++i) {
    if (axes.Contains(kAxes[i]))
      index = index * size_of_[i] + position / stride_of_[i] % size_of_[i];
  }
  return index;
}

int Mesh::MovedTo(int position, AxisSet axes, int index) const {
  for (int i = kNumAxes - 1; i >= 0; --i) {
    if (!axes.Contains(kAxes[i])) continue;
    const int coordinate = position / stride_of_[i] % size_of_[i];
    position += (index % size_of_[i] - coordinate) * stride_of_[i];
    index /= size_of_[i];
  }
  return position;
}

}  // namespace cadmus
