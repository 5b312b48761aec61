// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/pinned_pool.h"

#include <algorithm>
#include <bit>

#include "kernels/base/error.h"
#include "kernels/cuda/cuda_check.h"

namespace cadmus::cuda {

PinnedPool::~PinnedPool() {
  for (const auto& [bytes, blocks] : free_) {
    for (void* block : blocks) {
      if (const cudaError_t error = cudaFreeHost(block); error != cudaSuccess) {
        LogCudaError(error, "cudaFreeHost", Where{device_});
      }
    }
  }
}

std::shared_ptr<void> PinnedPool::Allocate(int64_t bytes) {
  CADMUS_CHECK(bytes >= 0, StrCat("pinned memory of ", bytes, " bytes"));
  constexpr uint64_t kSmallest = 256;
  const auto size =
      static_cast<int64_t>(std::bit_ceil(std::max(kSmallest, static_cast<uint64_t>(bytes))));
  void* memory = nullptr;
  {
    const std::lock_guard lock(mutex_);
    std::vector<void*>& blocks = free_[size];
    if (!blocks.empty()) {
      memory = blocks.back();
      blocks.pop_back();
    } else {
      blocks.reserve(blocks.capacity() + 1);  // so that Return never allocates
    }
  }
  if (memory == nullptr) {
    MakeCurrent(device_);
    const cudaError_t error =
        cudaHostAlloc(&memory, static_cast<size_t>(size), cudaHostAllocDefault);
    if (error != cudaSuccess) {
      static_cast<void>(cudaGetLastError());
      throw Error(Kind::kOutOfMemory,
                  StrCat("cannot pin ", size, " bytes of host memory: ", cudaGetErrorString(error),
                         "; free host memory, or raise the limit on locked memory (ulimit -l)"));
    }
  }
  return {memory, [pool = shared_from_this(), size](void* block) { pool->Return(block, size); }};
}

void PinnedPool::Return(void* memory, int64_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  free_[bytes].push_back(memory);
}

}  // namespace cadmus::cuda
