// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/faults.h"

#include <atomic>
#include <new>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/cuda/cuda_check.h"

namespace cadmus::cuda {
namespace {

std::string Describe(const FaultRecord& fault) {
  switch (fault.code) {
    case FaultCode::kToken:
      return StrCat("token ", fault.value, " at ", fault.at, " is outside [0, ", fault.limit, ")");
    case FaultCode::kPosition:
      return StrCat("position ", fault.value, " at ", fault.at, " is outside [0, ", fault.limit,
                    ")");
    case FaultCode::kLabel:
      return StrCat("label ", fault.value, " of token ", fault.at, " in a vocabulary of ",
                    fault.limit);
    case FaultCode::kStep:
      return StrCat("step = ", fault.value, "; AdamW counts from 1");
    case FaultCode::kNone:
      break;
  }
  CADMUS_UNREACHABLE("a fault has a code");
}

}  // namespace

Faults::Faults(int device, int32_t* raised) : device_(device) {
  void* memory = nullptr;
  CADMUS_CUDA_CHECK(cudaHostAlloc(&memory, sizeof(FaultRecord), cudaHostAllocMapped),
                    Where{device_});
  host_record_ = new (memory) FaultRecord();
  void* mapped = nullptr;
  const cudaError_t error = cudaHostGetDevicePointer(&mapped, memory, 0);
  if (error != cudaSuccess) {
    cudaFreeHost(memory);
    ThrowCudaError(error, "cudaHostGetDevicePointer", Where{device_});
  }
  view_ = {raised, static_cast<FaultRecord*>(mapped)};
}

Faults::~Faults() {
  if (const cudaError_t error = cudaFreeHost(host_record_); error != cudaSuccess) {
    LogCudaError(error, "cudaFreeHost", Where{device_});
  }
}

void Faults::Fail(std::exception_ptr failure) {
  const std::lock_guard lock(mutex_);
  if (failure_ == nullptr) failure_ = std::move(failure);
}

void Faults::ThrowIfFailed() {
  std::unique_lock lock(mutex_);
  const std::exception_ptr failure = std::exchange(failure_, nullptr);
  lock.unlock();
  if (failure != nullptr) std::rethrow_exception(failure);
}

void Faults::ThrowIfRaised() {
  ThrowIfFailed();
  std::atomic_ref<FaultCode> code(host_record_->code);
  if (code.load(std::memory_order_acquire) == FaultCode::kNone) return;
  const std::string message = Describe(*host_record_);
  *host_record_ = FaultRecord();
  CADMUS_CUDA_CHECK(cudaMemset(view_.raised, 0, sizeof(*view_.raised)), Where{device_});
  CADMUS_CUDA_CHECK(cudaStreamSynchronize(nullptr), Where{device_});  // before any other stream
  throw Error(Kind::kInternal, message);
}

}  // namespace cadmus::cuda
