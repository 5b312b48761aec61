// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_device.h"

#include <cuda_runtime_api.h>

#include <array>

#include "kernels/base/error.h"
#include "kernels/base/log.h"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/register.h"
#include "kernels/cuda/stream.h"
#include "kernels/ops/gpu_kernels.h"

namespace cadmus::cuda {
namespace {

constexpr int kOldestCapability = 80;

KernelTable AllKernels() {
  KernelTable table("cuda");
  RegisterKernels(table);
  return table;
}

void RequireGpu(int ordinal) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count <= ordinal) {
    static_cast<void>(cudaGetLastError());
    throw Error(Kind::kConfig,
                StrCat("device.kind = CUDA, but there is no GPU to open: ",
                       error != cudaSuccess ? cudaGetErrorString(error) : "none is visible",
                       ": set device.kind = CPU, or install the NVIDIA driver and look at "
                       "nvidia-smi and CUDA_VISIBLE_DEVICES"));
  }
}

DeviceProperties PropertiesOf(int ordinal, int64_t memory_bytes) {
  cudaDeviceProp gpu = {};
  CADMUS_CUDA_CHECK(cudaGetDeviceProperties(&gpu, ordinal), Where{ordinal});
  DeviceProperties properties;
  properties.kind = DeviceKind::kCuda;
  properties.name = StrCat("cuda: ", gpu.name);
  properties.memory_bytes = memory_bytes;
  properties.compute_units = gpu.multiProcessorCount;
  properties.capability = 10 * gpu.major + gpu.minor;
  if (properties.capability < kOldestCapability) {
    throw Error(Kind::kConfig,
                StrCat(gpu.name, " has compute capability ", gpu.major, ".", gpu.minor,
                       "; Cadmus needs 8.0 (A100) or newer: set device.kind = CPU"));
  }
  return properties;
}

std::string PciIdOf(int ordinal) {
  std::array<char, 32> id = {};
  CADMUS_CUDA_CHECK(cudaDeviceGetPCIBusId(id.data(), static_cast<int>(id.size()), ordinal),
                    Where{ordinal});
  return id.data();
}

}  // namespace

// The slab, and behind it one word of the device's own: whether a fault was raised.
class CudaDevice::Slab {
 public:
  explicit Slab(int64_t bytes) : bytes_(bytes) {
    if (bytes <= 0) {
      throw Error(Kind::kConfig, StrCat("memory_bytes is ", bytes, ": it must be positive"));
    }
    const cudaError_t error = cudaMalloc(&data_, static_cast<size_t>(RaisedAt() + kOwnBytes));
    if (error != cudaSuccess) {
      static_cast<void>(cudaGetLastError());
      size_t free_bytes = 0, total_bytes = 0;
      static_cast<void>(cudaMemGetInfo(&free_bytes, &total_bytes));
      throw Error(Kind::kOutOfMemory,
                  StrCat("cannot take ", bytes, " bytes of GPU memory: ", cudaGetErrorString(error),
                         "; ", free_bytes, " of ", total_bytes,
                         " bytes are free: lower `device.memory_gib`, or end what else uses this "
                         "GPU (nvidia-smi names it)"));
    }
    cudaError_t cleared = cudaMemset(raised(), 0, sizeof(int32_t));
    if (cleared == cudaSuccess) cleared = cudaStreamSynchronize(nullptr);  // before any stream
    if (cleared != cudaSuccess) {
      cudaFree(data_);
      ThrowCudaError(cleared, "cudaMemset", Where{ordinal_});
    }
  }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() {
    if (const cudaError_t error = cudaFree(data_); error != cudaSuccess) {
      LogCudaError(error, "cudaFree", Where{ordinal_});
    }
  }

  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  int32_t* raised() const {
    return reinterpret_cast<int32_t*>(static_cast<char*>(data_) + RaisedAt());
  }

 private:
  static constexpr int64_t kOwnBytes = Allocator::kAlignment;

  int64_t RaisedAt() const { return (bytes_ + kOwnBytes - 1) / kOwnBytes * kOwnBytes; }

  void* data_ = nullptr;
  int64_t bytes_;
};

std::unique_ptr<CudaDevice> CudaDevice::Open(int64_t memory_bytes) {
  RequireGpu(ordinal_);
  CADMUS_CUDA_CHECK(cudaSetDevice(ordinal_), Where{ordinal_});
  DeviceProperties properties = PropertiesOf(ordinal_, memory_bytes);
  const std::string unproven = UnprovenGpuKernels(GpuKernels());
  if (!unproven.empty()) LogWarning(unproven);
  auto slab = std::make_unique<Slab>(memory_bytes);
  return std::unique_ptr<CudaDevice>(
      new CudaDevice(std::move(properties), PciIdOf(ordinal_), std::move(slab)));
}

CudaDevice::CudaDevice(DeviceProperties properties, std::string pci_id, std::unique_ptr<Slab> slab)
    : Device(std::move(properties), AllKernels(),
             std::make_unique<Allocator>(slab->data(), slab->bytes())),
      pci_id_(std::move(pci_id)),
      slab_(std::move(slab)),
      faults_(std::make_shared<Faults>(ordinal_, slab_->raised())),
      pinned_(std::make_shared<PinnedPool>(ordinal_)) {}

CudaDevice::~CudaDevice() = default;

Blas& CudaDevice::blas() {
  if (blas_ == nullptr) blas_ = std::make_unique<Blas>(ordinal_);
  return *blas_;
}

std::unique_ptr<Stream> CudaDevice::NewStream(StreamKind kind, std::string name) {
  return std::make_unique<CudaStream>(*this, kind, num_streams_++, std::move(name), ordinal_,
                                      faults_);
}

std::unique_ptr<Event> CudaDevice::NewEvent() {
  return std::make_unique<CudaEvent>(num_events_++, ordinal_, faults_);
}

std::shared_ptr<void> CudaDevice::NewHostMemory(int64_t bytes) { return pinned_->Allocate(bytes); }

void CudaDevice::DoCopy(void* destination, const void* source, int64_t bytes, Stream& stream) {
  CudaStream& cuda_stream = CudaStreamOf(stream);
  cuda_stream.Issue([&cuda_stream, destination, source, bytes](cudaStream_t to) {
    CADMUS_CUDA_CHECK(
        cudaMemcpyAsync(destination, source, static_cast<size_t>(bytes), cudaMemcpyDefault, to),
        cuda_stream.where());
  });
}

void CudaDevice::DoFillZero(void* destination, int64_t bytes, Stream& stream) {
  CudaStream& cuda_stream = CudaStreamOf(stream);
  cuda_stream.Issue([&cuda_stream, destination, bytes](cudaStream_t to) {
    CADMUS_CUDA_CHECK(cudaMemsetAsync(destination, 0, static_cast<size_t>(bytes), to),
                      cuda_stream.where());
  });
}

std::unique_ptr<Device> OpenCudaDevice(int64_t memory_bytes) {
  return CudaDevice::Open(memory_bytes);
}

}  // namespace cadmus::cuda
