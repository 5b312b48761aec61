// SPDX-License-Identifier: Apache-2.0
// Attention by cuDNN, for one spec, as the rest of the back end sees it. Where a build has no
// cuDNN, no_cudnn.cc stands here.
#pragma once

#include <memory>
#include <string>

#include "kernels/ops/attention.h"

namespace cadmus::cuda {

// The library, opened for the current GPU by one device, and the plans made with it.
struct Cudnn;
// Throws kConfig, saying why, where there is none. shared_ptr: plans outlive the device that made
// them.
std::shared_ptr<Cudnn> OpenCudnn();

class CudnnAttention {
 public:
  virtual ~CudnnAttention() = default;

  virtual std::string name() const = 0;  // "cuDNN 9.19.0, engines 8 and 9"
  // Calls that are as the spec declares them (IsAsDeclared).
  virtual void Forward(const AttentionForwardArgs& args, Stream& stream) const = 0;
  virtual void Backward(const AttentionBackwardArgs& args, Stream& stream) const = 0;
};

// For specs that CudnnAttentionRefusal does not refuse. To make a plan compiles kernels for some
// seconds: layers of one spec share it. Throws kConfig where the library has no plan.
std::shared_ptr<const CudnnAttention> MakeCudnnAttention(const AttentionSpec& spec,
                                                         const std::shared_ptr<Cudnn>& cudnn);

}  // namespace cadmus::cuda
