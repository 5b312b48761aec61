// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/box.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/base/str_cat.h"

namespace cadmus {
namespace {

Box Intersection(const Box& a, const Box& b) {
  Box shared = a;
  for (int i = 0; i < a.extent.num_dims(); ++i) {
    const int64_t begin = std::max(a.offset[i], b.offset[i]);
    const int64_t end = std::min(a.offset[i] + a.extent[i], b.offset[i] + b.extent[i]);
    shared.offset[i] = begin;
    shared.extent[i] = std::max<int64_t>(end - begin, 0);
  }
  return shared;
}

// The place of a global element in a box's storage.
int64_t ElementIn(const Box& box, const Shape& global) {
  int64_t element = 0;
  for (int i = 0; i < global.num_dims(); ++i) {
    element = element * box.extent[i] + global[i] - box.offset[i];
  }
  return element;
}

}  // namespace

std::string Box::ToString() const {
  std::string out = "[";
  for (int i = 0; i < offset.num_dims(); ++i) {
    out += StrCat(i == 0 ? "" : ", ", offset[i], ":", offset[i] + extent[i]);
  }
  return out + "]";
}

bool IsBoxOf(const Box& box, const Shape& shape, int64_t element_bytes) {
  const int num_dims = shape.num_dims();
  if (box.offset.num_dims() != num_dims || box.extent.num_dims() != num_dims) return false;
  // Overflow is judged without the dims of size 0, so that any product of some dims is safe.
  int64_t bytes = element_bytes;
  for (int i = 0; i < num_dims; ++i) {
    if (shape[i] < 0 || box.offset[i] < 0 || box.extent[i] < 0) return false;
    if (box.offset[i] > shape[i] || box.extent[i] > shape[i] - box.offset[i]) return false;
    if (__builtin_mul_overflow(bytes, std::max<int64_t>(shape[i], 1), &bytes)) return false;
  }
  return true;
}

std::string CoverageProblem(const Shape& shape, std::span<const Box> boxes) {
  std::vector<const Box*> order;
  int64_t held = 0;
  for (const Box& box : boxes) {
    if (box.num_elements() == 0) continue;
    order.push_back(&box);
    if (__builtin_add_overflow(held, box.num_elements(), &held)) {
      held = std::numeric_limits<int64_t>::max();  // some overlap, as is found below
    }
  }
  // A sweep along the first dim: only boxes that share some of it can overlap.
  const bool scalar = shape.num_dims() == 0;
  std::ranges::sort(order, {}, [&](const Box* box) { return scalar ? 0 : box->offset[0]; });
  std::vector<const Box*> active;
  for (const Box* box : order) {
    if (!scalar) {
      std::erase_if(active, [&](const Box* other) {
        return other->offset[0] + other->extent[0] <= box->offset[0];
      });
    }
    for (const Box* other : active) {
      if (Intersection(*box, *other).num_elements() > 0) {
        return StrCat("the boxes ", other->ToString(), " and ", box->ToString(), " overlap");
      }
    }
    active.push_back(box);
  }
  if (held == shape.num_elements()) return "";
  return StrCat("only ", held, " of its ", shape.num_elements(), " elements are there");
}

BoxRuns::BoxRuns(const Box& source, const Box& destination)
    : source_box_(source),
      destination_box_(destination),
      shared_(Intersection(source, destination)),
      at_(shared_.offset),
      outer_dims_(shared_.extent.num_dims()),
      done_(shared_.num_elements() == 0) {
  // The innermost dim is contiguous in both; so is the next one out if all of this one is shared.
  while (outer_dims_ > 0) {
    const int dim = --outer_dims_;
    run_ *= shared_.extent[dim];
    if (shared_.extent[dim] != source.extent[dim] || shared_.extent[dim] != destination.extent[dim])
      break;
  }
  PlaceRun();
}

void BoxRuns::Advance(int64_t num_elements) {
  consumed_ += num_elements;
  if (consumed_ < run_) return;
  consumed_ = 0;
  for (int dim = outer_dims_ - 1; dim >= 0; --dim) {
    if (++at_[dim] < shared_.offset[dim] + shared_.extent[dim]) {
      PlaceRun();
      return;
    }
    at_[dim] = shared_.offset[dim];
  }
  done_ = true;
}

void BoxRuns::PlaceRun() {
  source_ = ElementIn(source_box_, at_);
  destination_ = ElementIn(destination_box_, at_);
}

}  // namespace cadmus
