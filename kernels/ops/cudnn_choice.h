// SPDX-License-Identifier: Apache-2.0
// The GPU's choice between its two kernels for attention, cuDNN's and the simple one: pure
// functions, free of the vendor's headers and always compiled, so that planning without a GPU
// chooses as the GPU will, and counts the same workspace.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "kernels/ops/attention.h"
#include "kernels/ops/cuda_choice.h"
#include "kernels/ops/gpu_kernels.h"

namespace cadmus {

inline constexpr std::string_view kCudnnAttention = "cuDNN attention";
inline constexpr std::string_view kSimpleAttention = "simple attention";

// Why cuDNN is not taken for this spec on a GPU of this capability, in words; empty: it has a plan.
std::string CudnnAttentionRefusal(const AttentionSpec& spec, int capability);

// What the backward pass keeps outside of cuDNN's own workspace, behind each other from its start.
struct CudnnBackwardLayout {
  int64_t delta_at = 0;    // rowsum(dO ∘ O): F32[B, H, S]
  int64_t dq_sums_at = 0;  // dQ while it is summed up, kFast only: F32[B, H, S, D]
  int64_t library_at = 0;  // cuDNN's own
};
CudnnBackwardLayout LayOutCudnnBackward(const AttentionSpec& spec);

// Upper bounds of what cuDNN asks for, the layout above included.
int64_t CudnnForwardWorkspaceBytes(const AttentionSpec& spec);
int64_t CudnnBackwardWorkspaceBytes(const AttentionSpec& spec);

struct GpuAttentionChoice {
  bool takes_cudnn = false;
  std::string why_not;         // cuDNN, where it is proven and yet not taken; else empty
  CudaAttentionChoice simple;  // also for calls that are not as the spec declares them
  int64_t forward_workspace_bytes = 0;
  int64_t backward_workspace_bytes = 0;
};

// Throws kConfig where no kernel of ours can do it, or not the one that the spec asks for.
GpuAttentionChoice ChooseGpuAttention(std::span<const GpuKernel> kernels, const AttentionSpec& spec,
                                      int capability);

// Whether a call is just as its plan's spec declares it: of its whole lengths, queries and keys
// from one position on if causal, without documents, with its strides, on 16 bytes and with its
// workspace on 256. cuDNN's plan runs such calls only.
bool IsAsDeclared(const AttentionForwardArgs& args);
bool IsAsDeclared(const AttentionBackwardArgs& args);

}  // namespace cadmus
