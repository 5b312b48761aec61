// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/rms_norm.h"

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

template <class T>
void Forward(const RmsNormForwardArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  const int64_t tokens = args.x_TD.dim(0);
  const int64_t width = args.x_TD.dim(1);
  const T* const x = args.x_TD.data<T>();
  const T* const residual = args.residual_TD ? args.residual_TD.data<T>() : nullptr;
  const T* const weight = args.weight_D.data<T>();
  T* const sum = args.sum_TD ? args.sum_TD.data<T>() : nullptr;
  T* const y = args.y_TD.data<T>();
  S* const rstd = args.rstd_T.data<S>();
  ForPieces(pool, tokens, RowsPerTask(width), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const T* s = x + t * width;
      if (residual != nullptr) {
        AddRow(s, residual + t * width, width, sum + t * width);
        s = sum + t * width;
      }
      rstd[t] = NormaliseRow(s, weight, args.epsilon, width, y + t * width);
    }
  });
}

template <class T>
void Backward(const RmsNormBackwardArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  const int64_t tokens = args.s_TD.dim(0);
  const int64_t width = args.s_TD.dim(1);
  const int64_t tokens_per_block = TokensPerBlock(tokens);
  const T* const s = args.s_TD.data<T>();
  const T* const weight = args.weight_D.data<T>();
  const S* const rstd = args.rstd_T.data<S>();
  const T* const dy = args.dy_TD.data<T>();
  const T* const dsum = args.dsum_TD ? args.dsum_TD.data<T>() : nullptr;
  T* const ds = args.ds_TD.data<T>();
  S* const partials = static_cast<S*>(args.workspace.raw());
  ForPieces(pool, tokens, tokens_per_block, [&](int64_t begin, int64_t end) {
    S* const partial = partials + begin / tokens_per_block * width;
    std::fill_n(partial, width, S(0));
    for (int64_t t = begin; t < end; ++t) {
      BackwardRow<T>({.s = s + t * width,
                      .weight = weight,
                      .dy = dy + t * width,
                      .dsum = dsum == nullptr ? nullptr : dsum + t * width,
                      .rstd = rstd[t],
                      .ds = ds + t * width,
                      .dweight = partial},
                     width);
    }
  });
  AddRows<T>({.data = partials, .num_rows = NumTokenBlocks(tokens), .stride = width},
             args.dweight_mode, args.dweight_D, pool);
}

}  // namespace

void RmsNormForward(const RmsNormForwardArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.x_TD.dtype(), [&]<class T>(Storage<T>) { Forward<T>(args, pool); });
  });
}

void RmsNormBackward(const RmsNormBackwardArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.s_TD.dtype(), [&]<class T>(Storage<T>) { Backward<T>(args, pool); });
  });
}

}  // namespace cadmus::cpu
