// SPDX-License-Identifier: Apache-2.0
// Stands in for the cuda back end in builds without CUDA.
#include "kernels/cuda/device.h"

namespace cadmus::cuda {

std::unique_ptr<Device> OpenCudaDevice(int64_t) {
  throw Error(Kind::kConfig,
              "this build has no CUDA: choose the cpu device, or build with CADMUS_CUDA=ON");
}

}  // namespace cadmus::cuda
