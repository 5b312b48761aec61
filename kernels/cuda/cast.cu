// SPDX-License-Identifier: Apache-2.0
// Cast: the elements of two strided views as few and long rows; a thread per pack of four.
#include "kernels/ops/cast.h"

#include "kernels/cuda/kernels.h"
#include "kernels/cuda/launch_kernel.cuh"
#include "kernels/cuda/storage.cuh"

namespace cadmus::cuda {
namespace {

// Rows that are contiguous in both views; see SplitIntoRows.
struct Rows {
  struct Dim {
    int64_t extent, x_stride, y_stride;
  };
  Dim dims[Shape::kMaxDims] = {};  // of the rows, innermost first
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

constexpr int kCastPack = 4;

template <class T, class U, int N>
__global__ void __launch_bounds__(kThreads) CastKernel(const T* x, U* y, const Rows rows) {
  const int64_t packs = rows.length / N;
  const int64_t p = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (p >= rows.num_rows * packs) return;
  int64_t row = p / packs;
  int64_t x_at = p % packs * N, y_at = x_at;
  for (int i = 0; i < rows.num_dims; ++i) {
    const int64_t index = row % rows.dims[i].extent;
    row /= rows.dims[i].extent;
    x_at += index * rows.dims[i].x_stride;
    y_at += index * rows.dims[i].y_stride;
  }
  const Pack<T, N> in = LoadPack<N>(x + x_at);
  Pack<U, N> out;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    if constexpr (std::is_same_v<T, U>) {
      out.v[i] = in.v[i];
    } else {
      out.v[i] = Narrow<U>(Widen(in.v[i]));
    }
  }
  StorePack(y + y_at, out);
}

template <class T, class U>
void Convert(const CastArgs& args, Stream& stream) {
  const Rows rows = SplitIntoRows(args.x, args.y);
  const T* x = Data<T>(args.x);
  U* y = Data<U>(args.y);
  bool packs = AllowsPacks<T>(kCastPack, {x}, {rows.length}) && AllowsPacks<U>(kCastPack, {y}, {});
  for (int i = 0; i < rows.num_dims; ++i) {
    packs = packs && AllowsPacks<T>(kCastPack, {}, {rows.dims[i].x_stride, rows.dims[i].y_stride});
  }
  const int64_t elements = rows.num_rows * rows.length;
  if (packs) {
    LaunchKernel(args.kName, &CastKernel<T, U, kCastPack>,
                 {.x = DivideUp(elements, kThreads * kCastPack)}, stream, x, y, rows);
  } else {
    LaunchKernel(args.kName, &CastKernel<T, U, 1>, {.x = DivideUp(elements, kThreads)}, stream, x,
                 y, rows);
  }
}

// The same dtype: bytes, whatever they mean.
void Copy(const CastArgs& args, Stream& stream) {
  switch (SizeOf(args.x.dtype())) {
    case 1:
      return Convert<uint8_t, uint8_t>(args, stream);
    case 2:
      return Convert<uint16_t, uint16_t>(args, stream);
    case 4:
      return Convert<uint32_t, uint32_t>(args, stream);
    case 8:
      return Convert<uint2, uint2>(args, stream);
    default:
      CADMUS_UNREACHABLE(StrCat("no copy of ", Name(args.x.dtype())));
  }
}

}  // namespace

void Cast(const CastArgs& args, Stream& stream) {
  if (args.x.num_elements() == 0) return;
  if (args.x.dtype() == args.y.dtype()) return Copy(args, stream);
  DispatchFloat(args.x.dtype(), [&](auto from) {
    DispatchFloat(args.y.dtype(), [&](auto to) {
      using T = typename decltype(from)::Type;
      using U = typename decltype(to)::Type;
      if constexpr (!std::is_same_v<T, U>) Convert<T, U>(args, stream);
    });
  });
}

}  // namespace cadmus::cuda
