// SPDX-License-Identifier: Apache-2.0
// LocalBoxes: where the elements of a rank's local tensor lie in the global one, as boxes that are
// contiguous in local memory. First values, checkpoints and norms of parameters are written in
// these terms; nobody else translates between local and global elements.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/mesh/flat_split.h"
#include "runtime/nn/parameter.h"

namespace cadmus {

struct LocalBox {
  int64_t begin = 0;  // its first element, counted in the local tensor
  Shape global_offset;
  Shape extent;          // never empty; its elements are consecutive in the local tensor
  bool is_owner = true;  // see PlacedSlice

  int64_t num_elements() const { return extent.num_elements(); }
};

// The boxes of elements [range.offset, range.offset + range.extent) of the parameter's local
// tensor, in ascending order of `begin`; what they leave out is padding. A range of a matrix that
// is cut along its rows is at most three boxes per slice: part of a row, whole rows, part of a row.
// Throws kInternal for a range that is not in the local tensor.
std::vector<LocalBox> LocalBoxes(const Parameter& parameter, const FlatRange& range);
std::vector<LocalBox> LocalBoxes(const Parameter& parameter);

// The elements of the range that this rank counts in norms, as ascending ranges of the local tensor
// that do not touch: those of boxes that it owns, if it is the first holder.
std::vector<FlatRange> CountedRanges(const Parameter& parameter, const FlatRange& range);

}  // namespace cadmus
