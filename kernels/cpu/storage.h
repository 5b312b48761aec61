// SPDX-License-Identifier: Apache-2.0
// Storage types: kernels are written once over T, the type in memory, and compute in Wide<T>, f32
// or wider. DispatchFloat is the one list of storage types: bf16 arrives as a line here.
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
    default:
      CADMUS_UNREACHABLE(StrCat(Name(dtype), " has no kernels and must not pass an op's checks"));
  }
}

}  // namespace cadmus::cpu
