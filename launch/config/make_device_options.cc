// SPDX-License-Identifier: Apache-2.0
#include "launch/config/make_device_options.h"

#include "kernels/base/error.h"
#include "launch/config/run_config.pb.h"

namespace cadmus {
namespace {

DeviceKind KindOf(const DeviceConfig& config) {
  switch (config.kind()) {
    case DeviceConfig::CPU:
      return DeviceKind::kCpu;
    case DeviceConfig::CUDA:
      return DeviceKind::kCuda;
  }
  CADMUS_UNREACHABLE("a value of DeviceConfig::Kind");
}

}  // namespace

DeviceOptions MakeDeviceOptions(const DeviceConfig& config) {
  return {.kind = KindOf(config),
          .memory_bytes = static_cast<int64_t>(config.memory_gib() * (int64_t{1} << 30))};
}

DeviceProperties PlannedProperties(const DeviceConfig& config) {
  // Other GPUs take the simple attention, which needs less workspace than an H100's or H200's.
  constexpr int kHopper = 90;
  if (KindOf(config) == DeviceKind::kCpu) return {};
  return {.kind = DeviceKind::kCuda,
          .compute_units = MultiprocessorsOf(kHopper),
          .capability = kHopper};
}

}  // namespace cadmus
