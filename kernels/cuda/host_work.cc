// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/host_work.h"

#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/stream.h"

namespace cadmus::cuda {

WorkQueue* HostQueueOf(Stream& stream) { return CudaStreamOf(stream).StartHostQueue(); }

void AwaitGpu(Stream& stream) { CudaStreamOf(stream).AwaitGpu(stream.device().wait_limit()); }

void FailWaits(Device& device, std::exception_ptr failure) {
  auto* const cuda_device = dynamic_cast<CudaDevice*>(&device);
  CADMUS_CHECK(cuda_device != nullptr, StrCat(device.properties().name, " is no cuda device"));
  cuda_device->faults().Fail(std::move(failure));
}

void CopyAndWait(void* to, const void* from, int64_t bytes, Stream& stream) {
  const CudaStream& on = CudaStreamOf(stream);
  MakeCurrent(on.where().device);
  CADMUS_CUDA_CHECK(
      cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDefault, on.handle()),
      on.where());
  AwaitGpu(stream);
}

}  // namespace cadmus::cuda
