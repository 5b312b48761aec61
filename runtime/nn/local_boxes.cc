// SPDX-License-Identifier: Apache-2.0
#include "runtime/nn/local_boxes.h"

#include <algorithm>

namespace cadmus {
namespace {

struct Box {
  Shape offset, extent;
};

int64_t ElementsBehind(const Shape& shape, int dim) {
  int64_t elements = 1;
  for (int i = dim + 1; i < shape.num_dims(); ++i) elements *= shape[i];
  return elements;
}

int64_t FlatIndex(const Shape& shape, const Shape& at) {
  int64_t index = 0;
  for (int i = 0; i < shape.num_dims(); ++i) index = index * shape[i] + at[i];
  return index;
}

// Elements [begin, end) of the tensor of `shape` below `box.offset`'s first `dim` dims, which are
// fixed: part of the first row, whole rows, part of the last row.
void CutIntoBoxes(const Shape& shape, int dim, int64_t begin, int64_t end, Box box,
                  std::vector<Box>& out) {
  if (begin == end) return;
  const int64_t row = ElementsBehind(shape, dim);
  const auto add_part_of_row = [&](int64_t part_begin, int64_t part_end) {
    Box part = box;
    part.offset[dim] = part_begin / row;
    part.extent[dim] = 1;
    const int64_t row_begin = part.offset[dim] * row;
    CutIntoBoxes(shape, dim + 1, part_begin - row_begin, part_end - row_begin, part, out);
  };
  const int64_t first_whole = (begin + row - 1) / row * row;
  if (first_whole > begin) add_part_of_row(begin, std::min(first_whole, end));
  const int64_t last_whole = end / row * row;
  if (last_whole > first_whole) {
    Box rows = box;
    rows.offset[dim] = first_whole / row;
    rows.extent[dim] = (last_whole - first_whole) / row;
    for (int i = dim + 1; i < shape.num_dims(); ++i) {
      rows.offset[i] = 0;
      rows.extent[i] = shape[i];
    }
    out.push_back(rows);
  }
  if (last_whole >= first_whole && end > last_whole) add_part_of_row(last_whole, end);
}

// What a box and a slice share, in local elements; false: nothing.
bool Intersect(const Box& box, const PlacedSlice& slice, Box& shared) {
  shared = box;
  for (int dim = 0; dim < box.offset.num_dims(); ++dim) {
    const int64_t begin = std::max(box.offset[dim], slice.local_offset[dim]);
    const int64_t end =
        std::min(box.offset[dim] + box.extent[dim], slice.local_offset[dim] + slice.extent[dim]);
    if (begin >= end) return false;
    shared.offset[dim] = begin;
    shared.extent[dim] = end - begin;
  }
  return true;
}

// A box that does not span the local tensor's inner dims is cut into those that are consecutive.
void AddConsecutive(const Shape& local, const PlacedSlice& slice, const Box& box,
                    std::vector<LocalBox>& out) {
  int outermost = 0;
  while (outermost < local.num_dims() && box.extent[outermost] == 1) ++outermost;
  for (int dim = outermost + 1; dim < local.num_dims(); ++dim) {
    if (box.extent[dim] == local[dim]) continue;
    for (int64_t i = 0; i < box.extent[outermost]; ++i) {
      Box row = box;
      row.offset[outermost] += i;
      row.extent[outermost] = 1;
      AddConsecutive(local, slice, row, out);
    }
    return;
  }
  LocalBox piece = {.begin = FlatIndex(local, box.offset),
                    .global_offset = box.offset,
                    .extent = box.extent,
                    .is_owner = slice.is_owner()};
  for (int dim = 0; dim < local.num_dims(); ++dim)
    piece.global_offset[dim] += slice.global_offset[dim] - slice.local_offset[dim];
  out.push_back(piece);
}

Shape Zeros(const Shape& like) {
  Shape zeros = like;
  for (int dim = 0; dim < zeros.num_dims(); ++dim) zeros[dim] = 0;
  return zeros;
}

std::vector<PlacedSlice> SlicesOf(const Parameter& parameter) {
  // Placed: a rank with nothing but padding has no slice.
  if (parameter.local_shape.num_dims() > 0) return parameter.slices;
  const Shape origin = Zeros(parameter.shape);
  return {{.global_offset = origin, .local_offset = origin, .extent = parameter.shape}};
}

}  // namespace

std::vector<LocalBox> LocalBoxes(const Parameter& parameter, const FlatRange& range) {
  const Shape& local = parameter.LocalShape();
  const int64_t end = range.offset + range.extent;
  CADMUS_CHECK(0 <= range.offset && range.extent >= 0 && end <= local.num_elements(),
               StrCat("elements [", range.offset, ", ", end, ") of ", parameter.name, " ",
                      local.ToString()));
  std::vector<Box> boxes;
  CutIntoBoxes(local, 0, range.offset, end, {.offset = Zeros(local), .extent = local}, boxes);
  std::vector<LocalBox> out;
  for (const PlacedSlice& slice : SlicesOf(parameter)) {
    Box shared;
    for (const Box& box : boxes) {
      if (Intersect(box, slice, shared)) AddConsecutive(local, slice, shared, out);
    }
  }
  std::sort(out.begin(), out.end(),
            [](const LocalBox& a, const LocalBox& b) { return a.begin < b.begin; });
  return out;
}

std::vector<LocalBox> LocalBoxes(const Parameter& parameter) {
  return LocalBoxes(parameter, {.offset = 0, .extent = parameter.LocalShape().num_elements()});
}

std::vector<FlatRange> CountedRanges(const Parameter& parameter, const FlatRange& range) {
  std::vector<FlatRange> counted;
  if (!parameter.is_first_holder) return counted;
  for (const LocalBox& box : LocalBoxes(parameter, range)) {
    if (!box.is_owner) continue;
    if (!counted.empty() && counted.back().offset + counted.back().extent == box.begin) {
      counted.back().extent += box.num_elements();
    } else {
      counted.push_back({.offset = box.begin, .extent = box.num_elements()});
    }
  }
  return counted;
}

}  // namespace cadmus
