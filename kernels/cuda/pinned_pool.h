// SPDX-License-Identifier: Apache-2.0
// PinnedPool: host memory that the GPU copies to and from without staging. Pinning is slow, so
// freed blocks are kept and handed out again; sizes are rounded up to powers of two.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace cadmus::cuda {

// shared_ptr: blocks hold the pool, and may outlive the device that made it.
class PinnedPool : public std::enable_shared_from_this<PinnedPool> {
 public:
  explicit PinnedPool(int device) : device_(device) {}
  PinnedPool(const PinnedPool&) = delete;
  PinnedPool& operator=(const PinnedPool&) = delete;
  ~PinnedPool();

  // At least `bytes`, back in the pool when the last holder lets go. Throws kOutOfMemory.
  std::shared_ptr<void> Allocate(int64_t bytes);

 private:
  void Return(void* memory, int64_t bytes) noexcept;

  int device_;
  std::mutex mutex_;
  std::map<int64_t, std::vector<void*>> free_;  // by size
};

}  // namespace cadmus::cuda
