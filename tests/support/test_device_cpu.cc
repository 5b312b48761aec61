// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_device.h"

namespace cadmus {

const DeviceKind kTestDevice = DeviceKind::kCpu;

std::vector<DeviceCase> DeviceCases() {
  return {{"cpu", DeviceKind::kCpu, CpuStreams::kInline},
          {"cpu_threaded", DeviceKind::kCpu, CpuStreams::kThreaded},
          {"sim", DeviceKind::kSim, CpuStreams::kInline}};
}

}  // namespace cadmus
