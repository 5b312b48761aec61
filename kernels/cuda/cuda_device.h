// SPDX-License-Identifier: Apache-2.0
// The cuda device: one slab taken with one cudaMalloc, pinned host memory from a pool, streams,
// events, and the library handle that gemm plans are made with.
#pragma once

#include <memory>
#include <string>

#include "kernels/cuda/faults.h"
#include "kernels/cuda/pinned_pool.h"
#include "kernels/device/device.h"

namespace cadmus::cuda {

class Blas;

class CudaDevice final : public Device {
 public:
  static std::unique_ptr<CudaDevice> Open(int64_t memory_bytes);
  ~CudaDevice() override;

  int ordinal() const { return ordinal_; }
  const std::string& pci_id() const { return pci_id_; }  // "0000:1b:00.0", as NVML wants it
  Faults& faults() { return *faults_; }
  // Made at the first call: in set-up, by the first gemm plan.
  Blas& blas();

  std::unique_ptr<Stream> NewStream(StreamKind kind, std::string name) override;
  std::unique_ptr<Event> NewEvent() override;
  std::shared_ptr<void> NewHostMemory(int64_t bytes) override;

 protected:
  void DoCopy(void* destination, const void* source, int64_t bytes, Stream& stream) override;
  void DoFillZero(void* destination, int64_t bytes, Stream& stream) override;

 private:
  class Slab;
  CudaDevice(DeviceProperties properties, std::string pci_id, std::unique_ptr<Slab> slab);

  static constexpr int ordinal_ = 0;  // of those that CUDA_VISIBLE_DEVICES leaves
  std::string pci_id_;
  std::unique_ptr<Slab> slab_;
  std::shared_ptr<Faults> faults_;      // shared_ptr: see Faults
  std::shared_ptr<PinnedPool> pinned_;  // shared_ptr: see PinnedPool
  std::unique_ptr<Blas> blas_;
  int num_streams_ = 0;
  int num_events_ = 0;
};

}  // namespace cadmus::cuda
