// SPDX-License-Identifier: Apache-2.0
#include "models/interop/tensor_copy.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/base/error.h"
#include "models/interop/element_types.h"

namespace cadmus {
namespace {

constexpr int64_t kPieceBytes = int64_t{16} << 20;

// The columns of a matrix as rows, in squares that fit into a cache.
void Transpose(std::span<const std::byte> in, int64_t rows, int64_t columns, int64_t element_bytes,
               std::span<std::byte> out) {
  constexpr int64_t kSide = 32;
  for (int64_t row0 = 0; row0 < rows; row0 += kSide) {
    for (int64_t column0 = 0; column0 < columns; column0 += kSide) {
      for (int64_t row = row0; row < std::min(row0 + kSide, rows); ++row) {
        for (int64_t column = column0; column < std::min(column0 + kSide, columns); ++column) {
          std::memcpy(out.data() + (column * rows + row) * element_bytes,
                      in.data() + (row * columns + column) * element_bytes,
                      static_cast<size_t>(element_bytes));
        }
      }
    }
  }
}

}  // namespace

void CopyTensor(const TensorCopy& copy,
                const std::function<void(std::span<const std::byte>)>& take) {
  CADMUS_CHECK(!copy.transposed || copy.box.extent.num_dims() == 2, copy.box.ToString());
  const int64_t element_bytes = SizeOf(copy.from);
  const int cut_dim = copy.transposed ? 1 : 0;  // the outermost of what is handed on
  const int64_t length = copy.box.extent[cut_dim];
  const int64_t bytes_per_step =
      length == 0 ? 1 : copy.box.extent.num_elements() / length * element_bytes;
  const int64_t steps = std::max<int64_t>(1, kPieceBytes / std::max<int64_t>(1, bytes_per_step));
  std::vector<std::byte> stored, turned, converted;
  for (int64_t begin = 0; begin < length; begin += steps) {
    Box piece = copy.box;
    piece.offset[cut_dim] += begin;
    piece.extent[cut_dim] = std::min(steps, length - begin);
    const int64_t elements = piece.num_elements();
    stored.resize(static_cast<size_t>(elements * element_bytes));
    copy.read(piece, stored);
    if (copy.transposed) {
      turned.resize(stored.size());
      Transpose(stored, piece.extent[0], piece.extent[1], element_bytes, turned);
      std::swap(stored, turned);
    }
    if (copy.from == copy.to) {
      take(stored);
      continue;
    }
    converted.resize(static_cast<size_t>(elements * SizeOf(copy.to)));
    ConvertElements(copy.from, stored, copy.to, converted);
    take(converted);
  }
}

}  // namespace cadmus
