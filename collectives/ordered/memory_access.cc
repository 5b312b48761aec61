// SPDX-License-Identifier: Apache-2.0
#include "collectives/ordered/memory_access.h"

#include <cstring>

#include "kernels/cuda/host_work.h"

namespace cadmus {
namespace {

class CudaMemoryAccess final : public MemoryAccess {
 public:
  explicit CudaMemoryAccess(Device& device)
      : device_(device), stream_(device.NewStream(StreamKind::kCompute, "communication worker")) {}

  void Copy(void* to, const void* from, int64_t bytes) override {
    if (bytes > 0) cuda::CopyAndWait(to, from, bytes, *stream_);
  }
  void SumInRankOrder(DType dtype, std::span<const void* const> inputs, void* output,
                      int64_t count) override {
    if (count > 0) cuda::SumInRankOrderAndWait(dtype, inputs, output, count, *stream_);
  }
  std::shared_ptr<void> NewHostMemory(int64_t bytes) override {
    return device_.NewHostMemory(bytes);
  }

 private:
  Device& device_;
  std::unique_ptr<Stream> stream_;
};

}  // namespace

std::shared_ptr<MemoryAccess> MakeMemoryAccess(Device& device) {
  if (device.properties().kind != DeviceKind::kCuda) return nullptr;
  return std::make_shared<CudaMemoryAccess>(device);
}

void CopyBytes(MemoryAccess* access, void* to, const void* from, int64_t bytes) {
  if (access != nullptr) {
    access->Copy(to, from, bytes);
  } else if (bytes > 0) {
    std::memcpy(to, from, static_cast<size_t>(bytes));
  }
}

}  // namespace cadmus
