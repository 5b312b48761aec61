// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/blas.h"

#include "kernels/base/error.h"
#include "kernels/base/log.h"

namespace cadmus::cuda {

void ThrowBlasError(cublasStatus_t status, const char* call, const Where& where,
                    std::source_location at) {
  const Kind kind = status == CUBLAS_STATUS_ALLOC_FAILED ? Kind::kOutOfMemory : Kind::kInternal;
  throw Error(kind,
              StrCat("CUDA device ", where.device, where.stream.empty() ? "" : ", stream ",
                     where.stream, ": ", call, ": ", cublasLtGetStatusString(status)),
              at);
}

Blas::Blas(int device) : device_(device) {
  cublasLtHandle_t handle = nullptr;
  CADMUS_BLAS_CHECK(cublasLtCreate(&handle), Where{device});
  handle_ = UniqueHandle<Traits>(handle);
}

void Blas::Traits::Close(Handle handle) noexcept {
  if (cublasLtDestroy(handle) != CUBLAS_STATUS_SUCCESS) LogWarning("cublasLtDestroy failed");
}

}  // namespace cadmus::cuda
