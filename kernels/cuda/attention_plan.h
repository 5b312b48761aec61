// SPDX-License-Identifier: Apache-2.0
// The cuda device's plan for attention, and its kernels: the simple one takes any call of a plan,
// cuDNN's those that are as the spec declares them.
#pragma once

#include <memory>

#include "kernels/cuda/cudnn_attention.h"
#include "kernels/ops/attention.h"
#include "kernels/ops/cuda_choice.h"

namespace cadmus::cuda {

struct CudaAttentionPlan final : AttentionPlan {
  CudaAttentionChoice simple;
  // Null: not taken. shared_ptr: one for all plans of a spec.
  std::shared_ptr<const CudnnAttention> cudnn;
};

// Lets the simple kernels have the shared memory that the plan wants; when a plan is made.
void AllowSharedForForward(const AttentionSpec& spec, const CudaAttentionChoice& choice,
                           int device);
void AllowSharedForBackward(const AttentionSpec& spec, const CudaAttentionChoice& choice,
                            int device);

void SimpleAttentionForward(const AttentionForwardArgs& args, const CudaAttentionChoice& choice,
                            Stream& stream);
void SimpleAttentionBackward(const AttentionBackwardArgs& args, const CudaAttentionChoice& choice,
                             Stream& stream);

}  // namespace cadmus::cuda
