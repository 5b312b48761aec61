// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_device.h"

namespace cadmus {

const DeviceKind kTestDevice = DeviceKind::kCuda;

}  // namespace cadmus
