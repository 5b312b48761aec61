// SPDX-License-Identifier: Apache-2.0
// SwiGLU: a thread per pack of columns.
#include "kernels/ops/swiglu.h"

#include "kernels/cuda/kernels.h"
#include "kernels/cuda/launch_kernel.cuh"
#include "kernels/cuda/storage.cuh"

namespace cadmus::cuda {
namespace {

// Where a thread's pack of one row lies: in [T, F], and its gate in [T, 2F].
struct PackPlace {
  int64_t at, gate_at;
};

template <int N>
__device__ inline PackPlace PlaceOfPack(int64_t width) {
  const int64_t packs = width / N;
  const int64_t p = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  return {p * N, p / packs * 2 * width + p % packs * N};
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    SwiGluForwardKernel(const T* gate_up, T* y, int64_t elements, int64_t width) {
  using S = Wide<T>;
  const auto [at, gate_at] = PlaceOfPack<N>(width);
  if (at >= elements) return;
  const Pack<T, N> gate = LoadPack<N>(gate_up + gate_at);
  const Pack<T, N> up = LoadPack<N>(gate_up + gate_at + width);
  Pack<T, N> out;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const S g = Widen(gate.v[i]);
    out.v[i] = Narrow<T>(g / (S(1) + exp(-g)) * Widen(up.v[i]));
  }
  StorePack(y + at, out);
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    SwiGluBackwardKernel(const T* gate_up, const T* dy, T* dgate_up, int64_t elements,
                         int64_t width) {
  using S = Wide<T>;
  const auto [at, gate_at] = PlaceOfPack<N>(width);
  if (at >= elements) return;
  // Both inputs of an element are read before either is written over.
  const Pack<T, N> gate = LoadPack<N>(gate_up + gate_at);
  const Pack<T, N> up = LoadPack<N>(gate_up + gate_at + width);
  const Pack<T, N> gradient = LoadPack<N>(dy + at);
  Pack<T, N> dgate, dup;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const S g = Widen(gate.v[i]), u = Widen(up.v[i]), d = Widen(gradient.v[i]);
    const S sigmoid = S(1) / (S(1) + exp(-g));
    dgate.v[i] = Narrow<T>(d * u * sigmoid * (S(1) + g * (S(1) - sigmoid)));
    dup.v[i] = Narrow<T>(d * (g * sigmoid));
  }
  StorePack(dgate_up + gate_at, dgate);
  StorePack(dgate_up + gate_at + width, dup);
}

}  // namespace

void SwiGluForward(const SwiGluForwardArgs& args, Stream& stream) {
  DispatchFloat(args.y_TF.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    const T* gate_up = Data<T>(args.gate_up_TG);
    T* y = Data<T>(args.y_TF);
    const int64_t elements = args.y_TF.num_elements(), width = args.y_TF.dim(1);
    DispatchPack<T>({gate_up, y}, {width}, [&](auto pack) {
      constexpr int kLength = decltype(pack)::kLength;
      LaunchKernel(args.kName, &SwiGluForwardKernel<T, kLength>,
                   {.x = DivideUp(elements, kThreads * kLength)}, stream, gate_up, y, elements,
                   width);
    });
  });
}

void SwiGluBackward(const SwiGluBackwardArgs& args, Stream& stream) {
  DispatchFloat(args.dy_TF.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    const T *gate_up = Data<T>(args.gate_up_TG), *dy = Data<T>(args.dy_TF);
    T* dgate_up = Data<T>(args.dgate_up_TG);
    const int64_t elements = args.dy_TF.num_elements(), width = args.dy_TF.dim(1);
    DispatchPack<T>({gate_up, dy, dgate_up}, {width}, [&](auto pack) {
      constexpr int kLength = decltype(pack)::kLength;
      LaunchKernel(args.kName, &SwiGluBackwardKernel<T, kLength>,
                   {.x = DivideUp(elements, kThreads * kLength)}, stream, gate_up, dy, dgate_up,
                   elements, width);
    });
  });
}

}  // namespace cadmus::cuda
