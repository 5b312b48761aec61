// SPDX-License-Identifier: Apache-2.0
// RegisterKernels: the explicit list of what the cuda device computes.
#pragma once

#include "kernels/device/kernel_table.h"

namespace cadmus::cuda {

void RegisterKernels(KernelTable& table);

}  // namespace cadmus::cuda
