// SPDX-License-Identifier: Apache-2.0
// Stands in for the cuda back end in builds without CUDA.
#include "kernels/cuda/device.h"
#include "kernels/cuda/host_work.h"

namespace cadmus::cuda {
namespace {

[[noreturn]] void RefuseDevice() {
  throw Error(
      Kind::kConfig,
      "device.kind = CUDA, but this build has no CUDA: set device.kind = CPU, or install CUDA "
      "13 and build the preset cuda-release");
}
[[noreturn]] void RefuseWork() { CADMUS_UNREACHABLE("a build without CUDA opens no cuda device"); }

}  // namespace

std::unique_ptr<Device> OpenCudaDevice(int64_t, int, int64_t) { RefuseDevice(); }
std::vector<Gpu> VisibleGpus() { RefuseDevice(); }

WorkQueue* HostQueueOf(Stream&) { RefuseWork(); }
void AwaitGpu(Stream&) { RefuseWork(); }
void FailWaits(Device&, std::exception_ptr) { RefuseWork(); }
void CopyAndWait(void*, const void*, int64_t, Stream&) { RefuseWork(); }
void SumInRankOrderAndWait(DType, std::span<const void* const>, void*, int64_t, Stream&) {
  RefuseWork();
}

}  // namespace cadmus::cuda
