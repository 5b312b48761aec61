// SPDX-License-Identifier: Apache-2.0
// Stands in for cuDNN in builds without it.
#include "kernels/base/error.h"
#include "kernels/cuda/cudnn_attention.h"

namespace cadmus::cuda {

std::shared_ptr<Cudnn> OpenCudnn() {
  throw Error(Kind::kConfig,
              "this build has no cuDNN: install cuDNN 9.19 or newer and build the preset "
              "cuda-release again");
}

std::shared_ptr<const CudnnAttention> MakeCudnnAttention(const AttentionSpec&,
                                                         const std::shared_ptr<Cudnn>&) {
  CADMUS_UNREACHABLE("a build without cuDNN opens none");
}

}  // namespace cadmus::cuda
