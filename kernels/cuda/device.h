// SPDX-License-Identifier: Apache-2.0
// The cuda device, as far as the rest of the program sees it. Without CUDA, no_cuda.cc stands here.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/device/device.h"

namespace cadmus::cuda {

// Both throw kConfig where this build has no CUDA.

// The GPU of this index among those that CUDA_VISIBLE_DEVICES leaves. The calling thread works on
// it from then on. Throws kOutOfMemory where the slab does not leave `later_bytes` free, which
// libraries take later.
std::unique_ptr<Device> OpenCudaDevice(int64_t memory_bytes, int index = 0,
                                       int64_t later_bytes = kGpuLibraryBytes);

// Those that may be opened, without taking memory of any. Throws kConfig where there is none.
std::vector<Gpu> VisibleGpus();

}  // namespace cadmus::cuda
