// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/register.h"

namespace cadmus::cpu {

void RegisterKernels([[maybe_unused]] KernelTable& table) {}

}  // namespace cadmus::cpu
