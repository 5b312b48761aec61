// SPDX-License-Identifier: Apache-2.0
// GELU: a thread per pack of elements.
#include "kernels/ops/gelu.h"

#include <numbers>

#include "kernels/cuda/kernels.h"
#include "kernels/cuda/launch_kernel.cuh"
#include "kernels/cuda/storage.cuh"

namespace cadmus::cuda {
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
__device__ inline Gate<S> GateOf(S x) {
  constexpr S kTwice = static_cast<S>(2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi);
  constexpr S kCubic = static_cast<S>(0.044715);
  S bounded = x < S(-32) ? S(-32) : x;
  bounded = bounded > S(32) ? S(32) : bounded;
  const S square = kCubic * bounded * bounded;
  const S magnitude = bounded < S(0) ? -bounded : bounded;
  const S e = exp(-kTwice * magnitude * (S(1) + square));
  const S r = S(1) / (S(1) + e);
  const S slope = kTwice * (S(1) + S(3) * square);
  return {bounded < S(0) ? e * r : r, bounded * slope * (e * r * r)};
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads) GeluForwardKernel(const T* x, T* y, int64_t elements) {
  const int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * N;
  if (at >= elements) return;
  Pack<T, N> pack = LoadPack<N>(x + at);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const Wide<T> value = Widen(pack.v[i]);
    pack.v[i] = Narrow<T>(value * GateOf(value).value);
  }
  StorePack(y + at, pack);
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    GeluBackwardKernel(const T* x, const T* dy, T* dx, int64_t elements) {
  const int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * N;
  if (at >= elements) return;
  Pack<T, N> pack = LoadPack<N>(x + at);
  const Pack<T, N> gradient = LoadPack<N>(dy + at);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const Gate<Wide<T>> gate = GateOf(Widen(pack.v[i]));
    pack.v[i] = Narrow<T>(Widen(gradient.v[i]) * (gate.value + gate.times_slope));
  }
  StorePack(dx + at, pack);
}

}  // namespace

void GeluForward(const GeluForwardArgs& args, Stream& stream) {
  DispatchFloat(args.x_TF.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    const T* x = Data<T>(args.x_TF);
    T* y = Data<T>(args.y_TF);
    const int64_t elements = args.x_TF.num_elements();
    DispatchPack<T>({x, y}, {elements}, [&](auto pack) {
      constexpr int kLength = decltype(pack)::kLength;
      LaunchKernel(args.kName, &GeluForwardKernel<T, kLength>,
                   {.x = DivideUp(elements, kThreads * kLength)}, stream, x, y, elements);
    });
  });
}

void GeluBackward(const GeluBackwardArgs& args, Stream& stream) {
  DispatchFloat(args.x_TF.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    const T *x = Data<T>(args.x_TF), *dy = Data<T>(args.dy_TF);
    T* dx = Data<T>(args.dx_TF);
    const int64_t elements = args.x_TF.num_elements();
    DispatchPack<T>({x, dy, dx}, {elements}, [&](auto pack) {
      constexpr int kLength = decltype(pack)::kLength;
      LaunchKernel(args.kName, &GeluBackwardKernel<T, kLength>,
                   {.x = DivideUp(elements, kThreads * kLength)}, stream, x, dy, dx, elements);
    });
  });
}

}  // namespace cadmus::cuda
