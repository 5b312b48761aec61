// SPDX-License-Identifier: Apache-2.0
// CADMUS_CUDA_CHECK: turns a failed CUDA call into an Error that names the call, the device and
// the stream.
//
//   CADMUS_CUDA_CHECK(cudaEventRecord(event, handle), Where{device, name()});
#pragma once

#include <cuda_runtime_api.h>

#include <source_location>
#include <string_view>

namespace cadmus::cuda {

// What an error says of its place; `stream` is empty for calls that have none.
struct Where {
  int device = 0;
  std::string_view stream = {};
};

// Throws kOutOfMemory, kHardware (the device itself reports a fault), or kInternal.
[[noreturn]] void ThrowCudaError(cudaError_t error, const char* call, const Where& where,
                                 std::source_location at = std::source_location::current());

// The GPU on which the calling thread works from now on. The runtime keeps it per thread, so every
// thread that calls it says so; otherwise it would make a context on the first GPU.
void MakeCurrent(int device);

// For destructors: logs and goes on.
void LogCudaError(cudaError_t error, const char* call, const Where& where) noexcept;

}  // namespace cadmus::cuda

#define CADMUS_CUDA_CHECK(call, where)                                                       \
  do {                                                                                       \
    if (const cudaError_t cadmus_error = (call); cadmus_error != cudaSuccess) [[unlikely]] { \
      ::cadmus::cuda::ThrowCudaError(cadmus_error, #call, where);                            \
    }                                                                                        \
  } while (false)
