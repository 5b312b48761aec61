// SPDX-License-Identifier: Apache-2.0
// The cuda device: one slab taken with one cudaMalloc, pinned host memory from a pool, streams,
// events, and the library handle that gemm plans are made with.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "kernels/cuda/faults.h"
#include "kernels/cuda/pinned_pool.h"
#include "kernels/device/device.h"

namespace cadmus::cuda {

class Blas;
struct Cudnn;

class CudaDevice final : public Device {
 public:
  // See OpenCudaDevice.
  static std::unique_ptr<CudaDevice> Open(int64_t memory_bytes, int index = 0,
                                          int64_t later_bytes = kGpuLibraryBytes);
  ~CudaDevice() override;

  int ordinal() const { return gpu_.index; }
  const std::string& pci_id() const { return gpu_.pci_id; }  // "0000:1b:00.0", as NVML wants it
  Faults& faults() { return *faults_; }
  // Made at the first call: in set-up, by the first gemm plan.
  Blas& blas();
  // The same, by the first plan that wants it. Throws kConfig where it is not to be had.
  const std::shared_ptr<Cudnn>& cudnn();
  // A line of the log, but for what was said before: plans are made for each layer.
  void SayOnce(const std::string& text);

  std::unique_ptr<Stream> NewStream(StreamKind kind, std::string name) override;
  std::unique_ptr<Event> NewEvent() override;
  std::shared_ptr<void> NewHostMemory(int64_t bytes) override;
  std::optional<GpuMemory> ReadGpuMemory() const override;

 protected:
  void DoCopy(void* destination, const void* source, int64_t bytes, Stream& stream) override;
  void DoFillZero(void* destination, int64_t bytes, Stream& stream) override;

 private:
  class Slab;
  CudaDevice(DeviceProperties properties, Gpu gpu, std::optional<int64_t> used_before_bytes,
             std::unique_ptr<Slab> slab);

  const Gpu gpu_;
  const std::optional<int64_t> used_before_bytes_;  // of its memory; see GpuMemory
  std::unique_ptr<Slab> slab_;
  std::shared_ptr<Faults> faults_;      // shared_ptr: see Faults
  std::shared_ptr<PinnedPool> pinned_;  // shared_ptr: see PinnedPool
  std::unique_ptr<Blas> blas_;
  std::shared_ptr<Cudnn> cudnn_;  // shared_ptr: see OpenCudnn
  std::set<std::string> said_;
  int num_streams_ = 0;
  int num_events_ = 0;
};

}  // namespace cadmus::cuda
