// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/nvml.h"

#include <dlfcn.h>

#include <array>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/log.h"
#include "kernels/base/unique_handle.h"

namespace cadmus::cuda {
namespace {

// NVML's binary interface, as far as it is used. Source: NVML API reference guide, "Device
// queries" and "Initialization and cleanup".
using Result = int;  // 0: success
using NvmlDevice = struct NvmlDeviceOpaque*;
constexpr Result kSuccess = 0;
constexpr unsigned kClockSm = 1, kClockMemory = 2;
constexpr unsigned kTemperatureGpu = 0;

struct Memory {
  unsigned long long total = 0, free = 0, used = 0;
};

struct LibraryTraits {
  using Handle = void*;
  static constexpr Handle kEmpty = nullptr;
  static void Close(Handle library) noexcept { ::dlclose(library); }
};

constexpr const char* kLibrary = "libnvidia-ml.so.1";

}  // namespace

std::string ThrottleReasons(uint64_t bits) {
  static constexpr std::pair<uint64_t, const char*> kReasons[] = {
      {0x1, "idle"},
      {0x2, "application clocks"},
      {0x4, "power cap"},
      {0x8, "hardware slowdown"},
      {0x10, "sync boost"},
      {0x20, "software thermal slowdown"},
      {0x40, "hardware thermal slowdown"},
      {0x80, "power brake"},
      {0x100, "display clocks"},
  };
  std::string text;
  for (const auto& [bit, name] : kReasons) {
    if ((bits & bit) == 0) continue;
    text += StrCat(text.empty() ? "" : ", ", name);
    bits &= ~bit;
  }
  if (bits != 0) text += StrCat(text.empty() ? "" : ", ", "unknown bits ", bits);
  return text.empty() ? "none" : text;
}

struct GpuSensors::Impl {
  UniqueHandle<LibraryTraits> library;
  NvmlDevice device = nullptr;
  std::string pci_id, uuid;
  bool initialised = false;

  Result (*init)() = nullptr;
  Result (*shutdown)() = nullptr;
  const char* (*error_string)(Result) = nullptr;
  Result (*by_pci_id)(const char*, NvmlDevice*) = nullptr;
  Result (*get_uuid)(NvmlDevice, char*, unsigned) = nullptr;
  Result (*memory)(NvmlDevice, Memory*) = nullptr;
  Result (*power)(NvmlDevice, unsigned* milliwatts) = nullptr;
  Result (*clock)(NvmlDevice, unsigned domain, unsigned* mhz) = nullptr;
  Result (*temperature)(NvmlDevice, unsigned sensor, unsigned* celsius) = nullptr;
  Result (*throttle)(NvmlDevice, unsigned long long* bits) = nullptr;

  template <class Function>
  void Load(Function*& function, const char* name) {
    function = reinterpret_cast<Function*>(::dlsym(library.get(), name));
    if (function == nullptr) {
      throw Error(Kind::kConfig, StrCat(kLibrary, " has no ", name, ": install a newer driver"));
    }
  }
  void Check(Result result, Kind kind, const char* call) const {
    if (result != kSuccess) {
      throw Error(kind, StrCat("GPU ", pci_id, ": ", call, ": ", error_string(result)));
    }
  }
  ~Impl() {
    if (initialised && shutdown() != kSuccess) LogWarning("NVML did not shut down");
  }
};

GpuSensors::GpuSensors(const std::string& pci_id) : impl_(std::make_unique<Impl>()) {
  Impl& nvml = *impl_;
  nvml.pci_id = pci_id;
  nvml.library = UniqueHandle<LibraryTraits>(::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL));
  if (!nvml.library) {
    throw Error(Kind::kConfig,
                StrCat(kLibrary, " cannot be loaded (", ::dlerror(),
                       "): power, clocks and temperature need the NVIDIA driver's library"));
  }
  nvml.Load(nvml.init, "nvmlInit_v2");
  nvml.Load(nvml.shutdown, "nvmlShutdown");
  nvml.Load(nvml.error_string, "nvmlErrorString");
  nvml.Load(nvml.by_pci_id, "nvmlDeviceGetHandleByPciBusId_v2");
  nvml.Load(nvml.get_uuid, "nvmlDeviceGetUUID");
  nvml.Load(nvml.memory, "nvmlDeviceGetMemoryInfo");
  nvml.Load(nvml.power, "nvmlDeviceGetPowerUsage");
  nvml.Load(nvml.clock, "nvmlDeviceGetClockInfo");
  nvml.Load(nvml.temperature, "nvmlDeviceGetTemperature");
  nvml.Load(nvml.throttle, "nvmlDeviceGetCurrentClocksThrottleReasons");
  nvml.Check(nvml.init(), Kind::kConfig, "nvmlInit");
  nvml.initialised = true;
  nvml.Check(nvml.by_pci_id(pci_id.c_str(), &nvml.device), Kind::kConfig,
             "nvmlDeviceGetHandleByPciBusId");
  std::array<char, 96> uuid = {};
  nvml.Check(nvml.get_uuid(nvml.device, uuid.data(), static_cast<unsigned>(uuid.size())),
             Kind::kConfig, "nvmlDeviceGetUUID");
  nvml.uuid = uuid.data();
}

GpuSensors::~GpuSensors() = default;

const std::string& GpuSensors::uuid() const { return impl_->uuid; }
const std::string& GpuSensors::pci_id() const { return impl_->pci_id; }

int64_t GpuSensors::FreeMemoryBytes() const {
  Memory memory;
  impl_->Check(impl_->memory(impl_->device, &memory), Kind::kHardware, "nvmlDeviceGetMemoryInfo");
  return static_cast<int64_t>(memory.free);
}

GpuReading GpuSensors::Read() const {
  const Impl& nvml = *impl_;
  unsigned milliwatts = 0, sm = 0, memory = 0, celsius = 0;
  unsigned long long reasons = 0;
  nvml.Check(nvml.power(nvml.device, &milliwatts), Kind::kHardware, "nvmlDeviceGetPowerUsage");
  nvml.Check(nvml.clock(nvml.device, kClockSm, &sm), Kind::kHardware, "nvmlDeviceGetClockInfo");
  nvml.Check(nvml.clock(nvml.device, kClockMemory, &memory), Kind::kHardware,
             "nvmlDeviceGetClockInfo");
  nvml.Check(nvml.temperature(nvml.device, kTemperatureGpu, &celsius), Kind::kHardware,
             "nvmlDeviceGetTemperature");
  nvml.Check(nvml.throttle(nvml.device, &reasons), Kind::kHardware,
             "nvmlDeviceGetCurrentClocksThrottleReasons");
  return {.watts = milliwatts / 1000.0,
          .sm_mhz = static_cast<int>(sm),
          .memory_mhz = static_cast<int>(memory),
          .celsius = static_cast<int>(celsius),
          .throttle_reasons = reasons};
}

}  // namespace cadmus::cuda
