// SPDX-License-Identifier: Apache-2.0
// MakeDeviceOptions: the device of a rank that `device` means. A cpu's pool is for the caller to
// give.
#pragma once

#include "kernels/open_device.h"

namespace cadmus {

class DeviceConfig;

DeviceOptions MakeDeviceOptions(const DeviceConfig& config);

// What a plan chooses kernels for, wherever it is made.
DeviceProperties PlannedProperties(const DeviceConfig& config);

}  // namespace cadmus
