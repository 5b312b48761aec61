// SPDX-License-Identifier: Apache-2.0
// CompareCheckpoints: what is different between two checkpoints, tensor by tensor, whatever layouts
// saved them. Reads piece by piece: its memory does not depend on their size.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "kernels/base/dtype.h"
#include "kernels/base/shape.h"

namespace cadmus {

struct StoredType {
  DType dtype = DType::kNone;
  Shape shape;
  bool operator==(const StoredType&) const = default;
};

// Of two tensors a and b of one shape, over their elements in f64. Elements that are NaN on one
// side only, or infinite and not the same, count in num_incomparable and nowhere else.
struct ValueDifference {
  int64_t num_different = 0;  // elements whose values are not the same; 0 equals -0
  int64_t num_incomparable = 0;
  double max_absolute = 0;  // |a - b|
  double max_relative = 0;  // |a - b| / max(|a|, |b|)
  double rms = 0;           // sqrt(mean (a - b)²) over all comparable elements
};

struct TensorComparison {
  std::string name;
  std::optional<StoredType> first, second;  // absent: not in that checkpoint
  bool bit_equal = false;                   // same dtype, shape and bytes
  std::optional<ValueDifference> values;    // where shapes are the same and bits are not
};

// Of all tensors of both, by name. Throws kCheckpoint for what cannot be read or is damaged.
std::vector<TensorComparison> CompareCheckpoints(const std::filesystem::path& first,
                                                 const std::filesystem::path& second);

}  // namespace cadmus
