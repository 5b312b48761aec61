// SPDX-License-Identifier: Apache-2.0
// RegisterKernels: the explicit list of what the cpu device computes.
#pragma once

#include "kernels/device/kernel_table.h"

namespace cadmus::cpu {

void RegisterKernels(KernelTable& table);

}  // namespace cadmus::cpu
