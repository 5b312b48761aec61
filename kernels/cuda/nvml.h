// SPDX-License-Identifier: Apache-2.0
// GpuSensors: what the GPU says of itself while it works, by NVML, which belongs to the driver and
// is loaded by name at run time, so that no build needs it. It only reads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace cadmus::cuda {

struct GpuReading {
  double watts = 0;
  int sm_mhz = 0;
  int memory_mhz = 0;
  int celsius = 0;
  uint64_t throttle_reasons = 0;  // bits; see ThrottleReasons
};

// "power cap, thermal slowdown"; "none" for 0. Bits without a name here are given as a number.
std::string ThrottleReasons(uint64_t bits);

class GpuSensors {
 public:
  // Of the GPU with this PCI id ("0000:1b:00.0"). Throws kConfig, saying what is missing, where the
  // driver's library cannot be loaded or does not know the GPU.
  explicit GpuSensors(const std::string& pci_id);
  GpuSensors(const GpuSensors&) = delete;
  GpuSensors& operator=(const GpuSensors&) = delete;
  ~GpuSensors();

  const std::string& uuid() const;
  const std::string& pci_id() const;
  int64_t FreeMemoryBytes() const;  // also before a process has a context; throws as Read
  GpuReading Read() const;          // throws kHardware where a sensor does not answer

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cadmus::cuda
