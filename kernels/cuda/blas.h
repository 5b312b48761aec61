// SPDX-License-Identifier: Apache-2.0
// Blas: the handle of cuBLASLt, and the check of its calls. The one door to the vendor's products.
#pragma once

#include <cublasLt.h>

#include <source_location>

#include "kernels/base/unique_handle.h"
#include "kernels/cuda/cuda_check.h"

namespace cadmus::cuda {

[[noreturn]] void ThrowBlasError(cublasStatus_t status, const char* call, const Where& where,
                                 std::source_location at = std::source_location::current());

class Blas {
 public:
  explicit Blas(int device);

  cublasLtHandle_t handle() const { return handle_.get(); }
  int device() const { return device_; }

 private:
  struct Traits {
    using Handle = cublasLtHandle_t;
    static constexpr Handle kEmpty = nullptr;
    static void Close(Handle handle) noexcept;
  };
  int device_;
  UniqueHandle<Traits> handle_;
};

}  // namespace cadmus::cuda

#define CADMUS_BLAS_CHECK(call, where)                                                       \
  do {                                                                                       \
    if (const cublasStatus_t cadmus_status = (call); cadmus_status != CUBLAS_STATUS_SUCCESS) \
        [[unlikely]] {                                                                       \
      ::cadmus::cuda::ThrowBlasError(cadmus_status, #call, where);                           \
    }                                                                                        \
  } while (false)
