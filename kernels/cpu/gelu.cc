// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/gelu.h"

#include <numbers>

#include "kernels/cpu/device.h"
#include "kernels/cpu/numeric.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/storage.h"
#include "kernels/cpu/stream.h"

namespace cadmus::cpu {
namespace {

template <class S>
struct Gate {
  S value;        // σ(2u)
  S times_slope;  // x · σ(2u) · (1 - σ(2u)) · 2u'
};

// With e = exp(-|2u|), σ(2u) is 1 / (1 + e) or e / (1 + e), and its product with 1 - σ(2u) is
// e / (1 + e)²: no difference of numbers near 1. Beyond |x| = 32, where e is 0 in f64, x³ must not
// overflow. NaN stays.
template <class S>
inline Gate<S> GateOf(S x) {
  constexpr S kTwice = static_cast<S>(2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi);
  constexpr S kCubic = static_cast<S>(0.044715);
  S bounded = x < S(-32) ? S(-32) : x;
  bounded = bounded > S(32) ? S(32) : bounded;
  const S square = kCubic * bounded * bounded;
  const S magnitude = bounded < S(0) ? -bounded : bounded;
  const S e = Exp(-kTwice * magnitude * (S(1) + square));
  const S r = S(1) / (S(1) + e);
  const S slope = kTwice * (S(1) + S(3) * square);
  return {bounded < S(0) ? e * r : r, bounded * slope * (e * r * r)};
}

template <class T>
void Forward(const GeluForwardArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  const T* const x = args.x_TF.data<T>();
  T* const y = args.y_TF.data<T>();
  ForPieces(pool, args.x_TF.num_elements(), kElementsPerTask, [&](int64_t begin, int64_t end) {
#pragma GCC ivdep
    for (int64_t i = begin; i < end; ++i) {
      const S value = x[i];
      y[i] = static_cast<T>(value * GateOf(value).value);
    }
  });
}

template <class T>
void Backward(const GeluBackwardArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  const T* const x = args.x_TF.data<T>();
  const T* const dy = args.dy_TF.data<T>();
  T* const dx = args.dx_TF.data<T>();
  ForPieces(pool, args.x_TF.num_elements(), kElementsPerTask, [&](int64_t begin, int64_t end) {
#pragma GCC ivdep
    for (int64_t i = begin; i < end; ++i) {
      const Gate<S> gate = GateOf(S(x[i]));
      dx[i] = static_cast<T>(S(dy[i]) * (gate.value + gate.times_slope));
    }
  });
}

}  // namespace

void GeluForward(const GeluForwardArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.x_TF.dtype(), [&]<class T>(Storage<T>) { Forward<T>(args, pool); });
  });
}

void GeluBackward(const GeluBackwardArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.x_TF.dtype(), [&]<class T>(Storage<T>) { Backward<T>(args, pool); });
  });
}

}  // namespace cadmus::cpu
