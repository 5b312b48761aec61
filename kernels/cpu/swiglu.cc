// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/swiglu.h"

#include "kernels/cpu/device.h"
#include "kernels/cpu/numeric.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/storage.h"
#include "kernels/cpu/stream.h"

namespace cadmus::cpu {
namespace {

template <class T>
void Forward(const SwiGluForwardArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  const int64_t tokens = args.y_TF.dim(0);
  const int64_t width = args.y_TF.dim(1);
  const T* const gate_up = args.gate_up_TG.data<T>();
  T* const y = args.y_TF.data<T>();
  ForPieces(pool, tokens, RowsPerTask(width), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const T* const gate = gate_up + 2 * t * width;
      const T* const up = gate + width;
      T* const y_row = y + t * width;
#pragma GCC ivdep
      for (int64_t i = 0; i < width; ++i) {
        const S g = gate[i];
        y_row[i] = static_cast<T>(g / (S(1) + Exp(-g)) * S(up[i]));
      }
    }
  });
}

template <class T>
void Backward(const SwiGluBackwardArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  const int64_t tokens = args.dy_TF.dim(0);
  const int64_t width = args.dy_TF.dim(1);
  const T* const gate_up = args.gate_up_TG.data<T>();
  const T* const dy = args.dy_TF.data<T>();
  T* const dgate_up = args.dgate_up_TG.data<T>();
  ForPieces(pool, tokens, RowsPerTask(width), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const T* const gate = gate_up + 2 * t * width;
      const T* const up = gate + width;
      const T* const dy_row = dy + t * width;
      T* const dgate = dgate_up + 2 * t * width;
      T* const dup = dgate + width;
      // Both inputs of an element are read before either is written over.
#pragma GCC ivdep
      for (int64_t i = 0; i < width; ++i) {
        const S g = gate[i];
        const S u = up[i];
        const S gradient = dy_row[i];
        const S sigmoid = S(1) / (S(1) + Exp(-g));
        dgate[i] = static_cast<T>(gradient * u * sigmoid * (S(1) + g * (S(1) - sigmoid)));
        dup[i] = static_cast<T>(gradient * (g * sigmoid));
      }
    }
  });
}

}  // namespace

void SwiGluForward(const SwiGluForwardArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.y_TF.dtype(), [&]<class T>(Storage<T>) { Forward<T>(args, pool); });
  });
}

void SwiGluBackward(const SwiGluBackwardArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.dy_TF.dtype(), [&]<class T>(Storage<T>) { Backward<T>(args, pool); });
  });
}

}  // namespace cadmus::cpu
