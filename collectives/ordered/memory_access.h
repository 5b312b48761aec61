// SPDX-License-Identifier: Apache-2.0
// MemoryAccess: how the communication worker copies and sums buffers that plain loads and stores do
// not reach. A null one stands for host memory, which is touched directly.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "kernels/base/dtype.h"
#include "kernels/device/device.h"

namespace cadmus {

// Used on the worker's thread. Copies and sums are done when they return; the memory was at rest
// before, since a call starts when its stream has reached it.
class MemoryAccess {
 public:
  MemoryAccess() = default;
  MemoryAccess(const MemoryAccess&) = delete;
  MemoryAccess& operator=(const MemoryAccess&) = delete;
  virtual ~MemoryAccess() = default;

  // Either side may also be host memory.
  virtual void Copy(void* to, const void* from, int64_t bytes) = 0;
  // See rank_order_sum.h.
  virtual void SumInRankOrder(DType dtype, std::span<const void* const> inputs, void* output,
                              int64_t count) = 0;
  // Host memory that is quick to copy to and from. shared_ptr: as Device::NewHostMemory.
  virtual std::shared_ptr<void> NewHostMemory(int64_t bytes) = 0;
};

// Of the memory of `device`, which must outlive it; null for a cpu device. shared_ptr: all groups
// of one Connect use it.
std::shared_ptr<MemoryAccess> MakeMemoryAccess(Device& device);

void CopyBytes(MemoryAccess* access, void* to, const void* from, int64_t bytes);

}  // namespace cadmus
