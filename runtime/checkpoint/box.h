// SPDX-License-Identifier: Apache-2.0
// Box: a range of elements of a global tensor in each of its dims, and what two boxes share: all
// that is needed to load under another layout than the one that saved.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "kernels/base/shape.h"

namespace cadmus {

// The elements [offset, offset + extent) of each dim, stored row-major (last dim fastest).
struct Box {
  Shape offset;
  Shape extent;

  int64_t num_elements() const { return extent.num_elements(); }
  // "[0:2, 3:5]"
  std::string ToString() const;
};

// Whether offsets and extents are not negative, `box` lies in a tensor of `shape`, and that tensor
// has less than 2^63 bytes at `element_bytes` each.
bool IsBoxOf(const Box& box, const Shape& shape, int64_t element_bytes);

// Why `boxes`, each one of `shape`, do not hold every element exactly once; empty if they do.
std::string CoverageProblem(const Shape& shape, std::span<const Box> boxes);

// The elements that two boxes share, as runs that are contiguous in the storage of both, in the
// order of both.
//
//   for (BoxRuns runs(stored, wanted); !runs.done(); runs.Advance(runs.num_elements())) …
class BoxRuns {
 public:
  BoxRuns(const Box& source, const Box& destination);

  bool done() const { return done_; }
  // Of the run's next element, counted in the storage of each box.
  int64_t source_element() const { return source_ + consumed_; }
  int64_t destination_element() const { return destination_ + consumed_; }
  // Left in this run.
  int64_t num_elements() const { return run_ - consumed_; }
  // Goes on by `num_elements` elements, at most to the end of the run.
  void Advance(int64_t num_elements);

 private:
  void PlaceRun();

  Box source_box_, destination_box_, shared_;
  Shape at_;            // of the run, in the shared box
  int outer_dims_ = 0;  // those that a run does not span
  int64_t run_ = 1, consumed_ = 0;
  int64_t source_ = 0, destination_ = 0;
  bool done_ = false;
};

}  // namespace cadmus
