// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/head_norm.h"

#include <algorithm>

#include "kernels/cpu/device.h"
#include "kernels/cpu/rms_norm_row.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/storage.h"
#include "kernels/cpu/stream.h"
#include "kernels/cpu/token_blocks.h"
#include "kernels/ops/token_blocks.h"

namespace cadmus::cpu {
namespace {

// Row i of the T · H rows of a strided view is head i mod H of token i / H.
template <class T>
struct HeadRows {
  explicit HeadRows(const auto& view_THD)
      : data(view_THD.template data<std::remove_const_t<T>>()),
        num_heads(view_THD.dim(1)),
        token_stride(view_THD.stride(0)),
        head_stride(view_THD.stride(1)) {}
  T* operator[](int64_t i) const {
    return data + i / num_heads * token_stride + i % num_heads * head_stride;
  }

  T* data;
  int64_t num_heads, token_stride, head_stride;
};

template <class T>
void Forward(const HeadNormForwardArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  const int64_t width = args.x_THD.dim(2);
  const HeadRows<const T> x(args.x_THD);
  const HeadRows<T> y(args.y_THD);
  const T* const weight = args.weight_D.data<T>();
  S* const rstd = args.rstd_TH.data<S>();
  ForPieces(pool, args.rstd_TH.num_elements(), RowsPerTask(width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      rstd[i] = NormaliseRow(x[i], weight, args.epsilon, width, y[i]);
    }
  });
}

template <class T>
void Backward(const HeadNormBackwardArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  const int64_t num_rows = args.rstd_TH.num_elements();
  const int64_t width = args.x_THD.dim(2);
  const int64_t rows_per_block = TokensPerBlock(num_rows);
  const HeadRows<const T> x(args.x_THD), dy(args.dy_THD);
  const HeadRows<T> dx(args.dx_THD);
  const T* const weight = args.weight_D.data<T>();
  const S* const rstd = args.rstd_TH.data<S>();
  S* const partials = static_cast<S*>(args.workspace.raw());
  ForPieces(pool, num_rows, rows_per_block, [&](int64_t begin, int64_t end) {
    S* const partial = partials + begin / rows_per_block * width;
    std::fill_n(partial, width, S(0));
    for (int64_t i = begin; i < end; ++i) {
      BackwardRow<T>({.s = x[i],
                      .weight = weight,
                      .dy = dy[i],
                      .dsum = nullptr,
                      .rstd = rstd[i],
                      .ds = dx[i],
                      .dweight = partial},
                     width);
    }
  });
  AddRows<T>({.data = partials, .num_rows = NumTokenBlocks(num_rows), .stride = width},
             args.dweight_mode, args.dweight_D, pool);
}

}  // namespace

void HeadNormForward(const HeadNormForwardArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.x_THD.dtype(), [&]<class T>(Storage<T>) { Forward<T>(args, pool); });
  });
}

void HeadNormBackward(const HeadNormBackwardArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.x_THD.dtype(), [&]<class T>(Storage<T>) { Backward<T>(args, pool); });
  });
}

}  // namespace cadmus::cpu
