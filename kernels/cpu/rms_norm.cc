// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/rms_norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/device.h"
#include "kernels/cpu/numeric.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/storage.h"
#include "kernels/cpu/stream.h"

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
        const T* const residual_row = residual + t * width;
        T* const sum_row = sum + t * width;
#pragma omp simd
        for (int64_t d = 0; d < width; ++d)
          sum_row[d] = static_cast<T>(S(s[d]) + S(residual_row[d]));
        s = sum_row;
      }
      const double squares =
          Sum<double>(width, [s](int64_t d) { return double(s[d]) * double(s[d]); });
      const double mean = squares / static_cast<double>(width);
      const S r = static_cast<S>(1.0 / std::sqrt(mean + args.epsilon));
      rstd[t] = r;
      T* const y_row = y + t * width;
#pragma omp simd
      for (int64_t d = 0; d < width; ++d) y_row[d] = static_cast<T>(S(s[d]) * r * S(weight[d]));
    }
  });
}

// T: storage, W: of dweight.
template <class T, class W>
void SumPartials(const RmsNormBackwardArgs& args, int64_t blocks, ThreadPool& pool) {
  using S = Wide<T>;
  constexpr int64_t kColumns = 256;
  const int64_t width = args.dweight_D.dim(0);
  const S* const partials = static_cast<const S*>(args.workspace.raw());
  W* const dweight = args.dweight_D.data<W>();
  const bool accumulates = args.dweight_mode == GradMode::kAccumulate;
  ForPieces(pool, width, kColumns, [&](int64_t begin, int64_t end) {
    S total[kColumns] = {};
    for (int64_t block = 0; block < blocks; ++block) {
      const S* const partial = partials + block * width + begin;
      for (int64_t d = 0; d < end - begin; ++d) total[d] += partial[d];
    }
    for (int64_t d = begin; d < end; ++d) {
      const S sum = total[d - begin];
      dweight[d] = static_cast<W>(accumulates ? S(dweight[d]) + sum : sum);
    }
  });
}

template <class T>
void Backward(const RmsNormBackwardArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  const int64_t tokens = args.s_TD.dim(0);
  const int64_t width = args.s_TD.dim(1);
  const int64_t tokens_per_block = RmsNormTokensPerBlock(tokens);
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
      const T* const s_row = s + t * width;
      const T* const dy_row = dy + t * width;
      T* const ds_row = ds + t * width;
      const S r = rstd[t];
      // Before ds, which may lie on dy.
#pragma omp simd
      for (int64_t d = 0; d < width; ++d) partial[d] += S(dy_row[d]) * (S(s_row[d]) * r);
      const double dot = Sum<double>(width, [&](int64_t d) {
        return double(dy_row[d]) * double(weight[d]) * double(s_row[d]);
      });
      const S c = static_cast<S>(double(r) * double(r) * (dot / static_cast<double>(width)));
      if (dsum != nullptr) {
        const T* const dsum_row = dsum + t * width;
#pragma omp simd
        for (int64_t d = 0; d < width; ++d) {
          const S gradient = r * (S(dy_row[d]) * S(weight[d]) - S(s_row[d]) * c);
          ds_row[d] = static_cast<T>(gradient + S(dsum_row[d]));
        }
      } else {
#pragma omp simd
        for (int64_t d = 0; d < width; ++d) {
          ds_row[d] = static_cast<T>(r * (S(dy_row[d]) * S(weight[d]) - S(s_row[d]) * c));
        }
      }
    }
  });
  const int64_t blocks = (tokens + tokens_per_block - 1) / tokens_per_block;
  if (args.dweight_D.dtype() == DTypeOf<T>) {
    SumPartials<T, T>(args, blocks, pool);
  } else {
    SumPartials<T, S>(args, blocks, pool);
  }
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
