// SPDX-License-Identifier: Apache-2.0
// Storage types on the GPU: kernels are written once over T, the type in memory, compute in
// Wide<T>, f32 or wider, and move packs of up to 16 bytes where everything is aligned for it.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>
#include <initializer_list>
#include <type_traits>

#include "kernels/base/error.h"
#include "kernels/base/tensor_view.h"

namespace cadmus::cuda {

template <class T>
using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;

// Says a storage type to a generic lambda.
template <class T>
struct Storage {
  using Type = T;
};

// The one list of storage types of the GPU.
template <class Body>
void DispatchFloat(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::kF64:
      return body(Storage<double>());
    case DType::kF32:
      return body(Storage<float>());
    case DType::kBF16:
      return body(Storage<__nv_bfloat16>());
    default:
      CADMUS_UNREACHABLE(StrCat(Name(dtype), " has no kernels and must not pass an op's checks"));
  }
}

// Typed pointers; null for an absent view. The op has checked the dtype.
template <class T>
T* Data(const TensorView& view) {
  return static_cast<T*>(view.raw());
}
template <class T>
const T* Data(const ConstTensorView& view) {
  return static_cast<const T*>(view.raw());
}

template <class T>
__device__ inline Wide<T> Widen(T x) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    return __bfloat162float(x);
  } else {
    return x;
  }
}

// Rounded to nearest even.
template <class T, class S>
__device__ inline T Narrow(S x) {
  if constexpr (!std::is_same_v<T, __nv_bfloat16>) {
    return static_cast<T>(x);
  } else if constexpr (std::is_same_v<S, double>) {
    return __double2bfloat16(x);
  } else {
    return __float2bfloat16_rn(x);
  }
}

// N neighbours that travel as one access.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T v[N];
};

template <int N, class T>
__device__ inline Pack<T, N> LoadPack(const T* from) {
  return *reinterpret_cast<const Pack<T, N>*>(from);
}
template <int N, class T>
__device__ inline void StorePack(T* to, const Pack<T, N>& pack) {
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

// How many T fill 16 bytes.
template <class T>
inline constexpr int kPack = 16 / static_cast<int>(sizeof(T));

// Whether all these addresses and extents (in elements of T) allow packs of N; null is aligned.
template <class T>
bool AllowsPacks(int n, std::initializer_list<const void*> addresses,
                 std::initializer_list<int64_t> extents) {
  for (const void* address : addresses) {
    if (reinterpret_cast<uintptr_t>(address) % (sizeof(T) * static_cast<size_t>(n)) != 0) {
      return false;
    }
  }
  for (const int64_t extent : extents) {
    if (extent % n != 0) return false;
  }
  return true;
}

// Says a pack's length to a generic lambda: 16 bytes' worth where allowed, else 1.
template <int N>
struct PackOf {
  static constexpr int kLength = N;
};

template <class T, class Body>
void DispatchPack(std::initializer_list<const void*> addresses,
                  std::initializer_list<int64_t> extents, const Body& body) {
  if (AllowsPacks<T>(kPack<T>, addresses, extents)) return body(PackOf<kPack<T>>());
  body(PackOf<1>());
}

}  // namespace cadmus::cuda
