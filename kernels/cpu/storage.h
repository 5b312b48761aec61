// SPDX-License-Identifier: Apache-2.0
// Storage types: kernels are written once over T, the type in memory, and compute in Wide<T>, f32
// or wider: load, compute, store. DispatchFloat is the one list of storage types.
// Loops that store T say `#pragma GCC ivdep`: within `omp simd`, GCC keeps a BFloat16 that is on
// its way in an array of its own, and does not vectorise.
//
//   DispatchFloat(args.x_TD.dtype(), [&]<class T>(Storage<T>) { Forward<T>(args, pool); });
#pragma once

#include "kernels/base/dtype.h"
#include "kernels/base/error.h"

namespace cadmus::cpu {

// Says a storage type to a generic lambda.
template <class T>
struct Storage {};

template <class Body>
void DispatchFloat(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::kF64:
      return body(Storage<double>());
    case DType::kF32:
      return body(Storage<float>());
    case DType::kBF16:
      return body(Storage<BFloat16>());
    default:
      CADMUS_UNREACHABLE(StrCat(Name(dtype), " has no kernels and must not pass an op's checks"));
  }
}

// The types that are also computed in: what Wide<T> can be.
template <class Body>
void DispatchWide(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::kF64:
      return body(Storage<double>());
    case DType::kF32:
      return body(Storage<float>());
    default:
      CADMUS_UNREACHABLE(StrCat(Name(dtype), " is not computed in and must not pass checks"));
  }
}

}  // namespace cadmus::cpu
