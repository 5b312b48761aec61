// SPDX-License-Identifier: Apache-2.0
#include "kernels/sim/register.h"

namespace cadmus::sim {

void RegisterKernels([[maybe_unused]] KernelTable& table) {}

}  // namespace cadmus::sim
