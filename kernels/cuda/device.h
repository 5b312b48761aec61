// SPDX-License-Identifier: Apache-2.0
// The cuda device, as far as the rest of the program sees it. Without CUDA, no_cuda.cc stands here.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/device/device.h"

namespace cadmus::cuda {

// Throws kConfig where this build has no CUDA.
std::unique_ptr<Device> OpenCudaDevice(int64_t memory_bytes);

}  // namespace cadmus::cuda
