// SPDX-License-Identifier: Apache-2.0
// RegisterKernels: the explicit list of what the sim device takes. Launch has noted the op by then,
// so the kernel of every op is RecordOnly:
//
//   table.Add<RmsNormForwardArgs>(&RecordOnly);
#pragma once

#include "kernels/device/kernel_table.h"

namespace cadmus::sim {

template <class Args>
void RecordOnly(const Args&, Stream&) {}

void RegisterKernels(KernelTable& table);

}  // namespace cadmus::sim
