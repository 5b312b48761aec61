// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_device.h"

#include <cuda_runtime_api.h>

#include <array>

#include "kernels/base/error.h"
#include "kernels/base/log.h"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/cudnn_attention.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/nvml.h"
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

cudaDeviceProp DriverProperties(int ordinal) {
  cudaDeviceProp gpu = {};
  CADMUS_CUDA_CHECK(cudaGetDeviceProperties(&gpu, ordinal), Where{ordinal});
  return gpu;
}

std::string PciIdOf(int ordinal) {
  std::array<char, 32> id = {};
  CADMUS_CUDA_CHECK(cudaDeviceGetPCIBusId(id.data(), static_cast<int>(id.size()), ordinal),
                    Where{ordinal});
  return id.data();
}

// "GPU-8f3a…-…", in the groups of nvidia-smi.
std::string UuidInWords(const cudaUUID_t& uuid) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "GPU";
  for (int i = 0; i < 16; ++i) {
    if (i == 0 || i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    const auto byte = static_cast<unsigned char>(uuid.bytes[i]);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

Gpu IdentityOf(int ordinal) {
  const cudaDeviceProp gpu = DriverProperties(ordinal);
  return {.index = ordinal,
          .name = gpu.name,
          .pci_id = PciIdOf(ordinal),
          .uuid = UuidInWords(gpu.uuid),
          .memory_bytes = static_cast<int64_t>(gpu.totalGlobalMem)};
}

DeviceProperties PropertiesOf(int ordinal, int64_t memory_bytes) {
  const cudaDeviceProp gpu = DriverProperties(ordinal);
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

// Asked before this process takes any; absent where NVML is missing or does not know the GPU, as
// with a part of one (MIG).
std::optional<int64_t> UsedBefore(const Gpu& gpu) {
  try {
    const GpuSensors sensors(gpu.pci_id);
    if (sensors.uuid() != gpu.uuid) return std::nullopt;
    return gpu.memory_bytes - sensors.FreeMemoryBytes();
  } catch (const Error&) {
    return std::nullopt;
  }
}

struct FreeAndTotal {
  int64_t free_bytes = 0, total_bytes = 0;
};

FreeAndTotal AskForMemory(int ordinal) {
  MakeCurrent(ordinal);
  size_t free_bytes = 0, total_bytes = 0;
  CADMUS_CUDA_CHECK(cudaMemGetInfo(&free_bytes, &total_bytes), Where{ordinal});
  return {static_cast<int64_t>(free_bytes), static_cast<int64_t>(total_bytes)};
}

}  // namespace

// The slab, and behind it one word of the device's own: whether a fault was raised.
class CudaDevice::Slab {
 public:
  Slab(int64_t bytes, int ordinal, int64_t later_bytes) : bytes_(bytes), ordinal_(ordinal) {
    if (bytes <= 0) {
      throw Error(Kind::kConfig, StrCat("memory_bytes is ", bytes, ": it must be positive"));
    }
    const FreeAndTotal memory = AskForMemory(ordinal_);
    const std::string problem = SlabProblem({.slab_bytes = bytes,
                                             .later_bytes = later_bytes,
                                             .free_bytes = memory.free_bytes,
                                             .total_bytes = memory.total_bytes});
    if (!problem.empty()) throw Error(Kind::kOutOfMemory, problem);
    const cudaError_t error = cudaMalloc(&data_, static_cast<size_t>(RaisedAt() + kOwnBytes));
    if (error != cudaSuccess) {
      static_cast<void>(cudaGetLastError());
      throw Error(Kind::kOutOfMemory,
                  StrCat("cannot take ", bytes, " bytes of GPU memory: ", cudaGetErrorString(error),
                         ": lower device.memory_gib"));
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
  int ordinal_;
};

std::unique_ptr<CudaDevice> CudaDevice::Open(int64_t memory_bytes, int index, int64_t later_bytes) {
  const std::vector<Gpu> gpus = VisibleGpus();
  if (index < 0 || index >= static_cast<int>(gpus.size())) {
    throw Error(Kind::kConfig, StrCat("GPU ", index, " of ", gpus.size(),
                                      ": CUDA_VISIBLE_DEVICES leaves no such GPU"));
  }
  const Gpu& gpu = gpus[static_cast<size_t>(index)];
  const std::optional<int64_t> used_before = UsedBefore(gpu);
  MakeCurrent(index);
  DeviceProperties properties = PropertiesOf(index, memory_bytes);
  const std::string unproven = UnprovenGpuKernels(GpuKernels());
  if (!unproven.empty()) LogWarning(unproven);
  auto slab = std::make_unique<Slab>(memory_bytes, index, later_bytes);
  return std::unique_ptr<CudaDevice>(
      new CudaDevice(std::move(properties), gpu, used_before, std::move(slab)));
}

CudaDevice::CudaDevice(DeviceProperties properties, Gpu gpu,
                       std::optional<int64_t> used_before_bytes, std::unique_ptr<Slab> slab)
    : Device(std::move(properties), AllKernels(),
             std::make_unique<Allocator>(slab->data(), slab->bytes())),
      gpu_(std::move(gpu)),
      used_before_bytes_(used_before_bytes),
      slab_(std::move(slab)),
      faults_(std::make_shared<Faults>(ordinal(), slab_->raised())),
      pinned_(std::make_shared<PinnedPool>(ordinal())) {}

CudaDevice::~CudaDevice() = default;

Blas& CudaDevice::blas() {
  if (blas_ == nullptr) blas_ = std::make_unique<Blas>(ordinal());
  return *blas_;
}

const std::shared_ptr<Cudnn>& CudaDevice::cudnn() {
  if (cudnn_ == nullptr) cudnn_ = OpenCudnn();
  return cudnn_;
}

void CudaDevice::SayOnce(const std::string& text) {
  if (said_.insert(text).second) LogInfo(text);
}

std::unique_ptr<Stream> CudaDevice::NewStream(StreamKind kind, std::string name) {
  return std::make_unique<CudaStream>(*this, kind, num_streams_++, std::move(name), ordinal(),
                                      faults_);
}

std::unique_ptr<Event> CudaDevice::NewEvent() {
  return std::make_unique<CudaEvent>(num_events_++, ordinal(), faults_);
}

std::shared_ptr<void> CudaDevice::NewHostMemory(int64_t bytes) { return pinned_->Allocate(bytes); }

std::optional<GpuMemory> CudaDevice::ReadGpuMemory() const {
  const FreeAndTotal memory = AskForMemory(ordinal());
  return GpuMemory{.total_bytes = memory.total_bytes,
                   .free_bytes = memory.free_bytes,
                   .slab_bytes = slab_->bytes(),
                   .used_before_bytes = used_before_bytes_};
}

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

std::unique_ptr<Device> OpenCudaDevice(int64_t memory_bytes, int index, int64_t later_bytes) {
  return CudaDevice::Open(memory_bytes, index, later_bytes);
}

std::vector<Gpu> VisibleGpus() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) {
    static_cast<void>(cudaGetLastError());
    throw Error(Kind::kConfig,
                StrCat("device.kind = CUDA, but there is no GPU to open: ",
                       error != cudaSuccess ? cudaGetErrorString(error) : "none is visible",
                       ": set device.kind = CPU, or install the NVIDIA driver and look at "
                       "nvidia-smi and CUDA_VISIBLE_DEVICES"));
  }
  std::vector<Gpu> gpus;
  for (int i = 0; i < count; ++i) gpus.push_back(IdentityOf(i));
  return gpus;
}

}  // namespace cadmus::cuda
