// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_check.h"

#include "kernels/base/error.h"
#include "kernels/base/log.h"

namespace cadmus::cuda {
namespace {

Kind KindOf(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return Kind::kOutOfMemory;
    case cudaErrorECCUncorrectable:
    case cudaErrorHardwareStackError:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorDevicesUnavailable:
      return Kind::kHardware;
    default:
      return Kind::kInternal;
  }
}

std::string Describe(cudaError_t error, const char* call, const Where& where) {
  std::string text = StrCat("CUDA device ", where.device);
  if (!where.stream.empty()) text += StrCat(", stream ", where.stream);
  return StrCat(text, ": ", call, ": ", cudaGetErrorName(error), ", ", cudaGetErrorString(error));
}

}  // namespace

void ThrowCudaError(cudaError_t error, const char* call, const Where& where,
                    std::source_location at) {
  throw Error(KindOf(error), Describe(error, call, where), at);
}

void MakeCurrent(int device) { CADMUS_CUDA_CHECK(cudaSetDevice(device), Where{device}); }

void LogCudaError(cudaError_t error, const char* call, const Where& where) noexcept {
  try {
    LogError(Describe(error, call, where));
  } catch (...) {
    // A destructor has nobody to tell that even the log failed.
  }
}

}  // namespace cadmus::cuda
