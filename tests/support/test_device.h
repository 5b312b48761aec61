// SPDX-License-Identifier: Apache-2.0
// Which device the suites of kernels/device and kernels/ops run on: the same tests, linked once for
// the CPU and once for a GPU.
#pragma once

#include <vector>

#include "kernels/cpu/cpu_streams.h"
#include "kernels/device/device.h"

namespace cadmus {

extern const DeviceKind kTestDevice;

// What every test of the device contract runs on.
struct DeviceCase {
  const char* name;
  DeviceKind kind;
  CpuStreams streams;
};
std::vector<DeviceCase> DeviceCases();

}  // namespace cadmus
