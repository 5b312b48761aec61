// SPDX-License-Identifier: Apache-2.0
// CopyTensor: part of a stored tensor, turned and converted, through bounded memory.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "kernels/base/dtype.h"
#include "runtime/checkpoint/box.h"

namespace cadmus {

struct TensorCopy {
  DType from = DType::kNone;
  // Fills its second argument with the elements of a box of the tensor, row-major, as they are
  // stored.
  std::function<void(const Box&, std::span<std::byte>)> read;
  Box box;                  // what is copied
  bool transposed = false;  // of two dims: column by column
  DType to = DType::kNone;
};

// Hands the elements to `take` in order, in pieces.
void CopyTensor(const TensorCopy& copy,
                const std::function<void(std::span<const std::byte>)>& take);

}  // namespace cadmus
