// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/cast.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/device.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/storage.h"
#include "kernels/cpu/stream.h"

namespace cadmus::cpu {
namespace {

// The elements of two views as few and long rows, each contiguous in both.
struct Rows {
  struct Dim {
    int64_t extent = 0;
    int64_t x_stride = 0;
    int64_t y_stride = 0;
  };
  Dim dims[Shape::kMaxDims];  // of the rows, innermost first
  int num_dims = 0;
  int64_t num_rows = 1;
  int64_t length = 1;
};

Rows SplitIntoRows(const ConstTensorView& x, const TensorView& y) {
  Rows rows;
  for (int i = x.num_dims() - 1; i >= 0; --i) {
    if (x.dim(i) == 1) continue;
    if (rows.num_dims == 0 && x.stride(i) == rows.length && y.stride(i) == rows.length) {
      rows.length *= x.dim(i);
    } else {
      rows.dims[rows.num_dims++] = {x.dim(i), x.stride(i), y.stride(i)};
      rows.num_rows *= x.dim(i);
    }
  }
  return rows;
}

// Calls copy(x offset, y offset, n), in elements, for pieces of rows.
template <class Copy>
void ForRowPieces(const CastArgs& args, ThreadPool& pool, const Copy& copy) {
  const Rows rows = SplitIntoRows(args.x, args.y);
  const int64_t piece = std::min(rows.length, kElementsPerTask);
  const int64_t pieces_per_row = (rows.length + piece - 1) / piece;
  const int64_t num_pieces = rows.num_rows * pieces_per_row;
  ForPieces(pool, num_pieces, RowsPerTask(piece), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t column = p % pieces_per_row * piece;
      int64_t x_offset = column;
      int64_t y_offset = column;
      int64_t row = p / pieces_per_row;
      for (int i = 0; i < rows.num_dims; ++i) {
        const Rows::Dim& dim = rows.dims[i];
        x_offset += row % dim.extent * dim.x_stride;
        y_offset += row % dim.extent * dim.y_stride;
        row /= dim.extent;
      }
      copy(x_offset, y_offset, std::min(piece, rows.length - column));
    }
  });
}

void CopyBytes(const CastArgs& args, ThreadPool& pool) {
  const int64_t size = SizeOf(args.x.dtype());
  const auto* const x = static_cast<const char*>(args.x.raw());
  auto* const y = static_cast<char*>(args.y.raw());
  ForRowPieces(args, pool, [&](int64_t x_offset, int64_t y_offset, int64_t n) {
    std::memcpy(y + y_offset * size, x + x_offset * size, static_cast<size_t>(n * size));
  });
}

template <class T, class U>
void Convert(const CastArgs& args, ThreadPool& pool) {
  const T* const x = args.x.data<T>();
  U* const y = args.y.data<U>();
  ForRowPieces(args, pool, [&](int64_t x_offset, int64_t y_offset, int64_t n) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[y_offset + i] = static_cast<U>(x[x_offset + i]);
  });
}

}  // namespace

void Cast(const CastArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    if (args.x.dtype() == args.y.dtype()) return CopyBytes(args, pool);
    DispatchFloat(args.x.dtype(), [&]<class T>(Storage<T>) {
      DispatchFloat(args.y.dtype(), [&]<class U>(Storage<U>) { Convert<T, U>(args, pool); });
    });
  });
}

}  // namespace cadmus::cpu
