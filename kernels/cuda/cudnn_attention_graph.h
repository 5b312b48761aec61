// SPDX-License-Identifier: Apache-2.0
// Attention as graphs of cuDNN's operations, in the shape that its fused kernels are found by: the
// scores are virtual tensors, which never reach memory. Source: NVIDIA cuDNN developer guide, graph
// patterns of fused flash attention, fprop and bprop.
#pragma once

#include "kernels/cuda/cudnn_graph.h"
#include "kernels/ops/attention.h"

namespace cadmus::cuda {

struct CudnnAttentionForward {
  CudnnTensor q = 0, k = 0, v = 0, out = 0, lse = 0;
  CudnnPlan plan;
};
struct CudnnAttentionBackward {
  CudnnTensor q = 0, k = 0, v = 0, out = 0, lse = 0, dout = 0;
  CudnnTensor dq = 0, dk = 0, dv = 0;
  // In the workspace, where CudnnBackwardLayout says; dq_sums is 0 where there are none.
  CudnnTensor delta = 0, dq_sums = 0;
  CudnnPlan plan;
};

// For specs that CudnnAttentionRefusal does not refuse. Throw kConfig where the library has no plan
// within the workspace that cudnn_choice.h states.
CudnnAttentionForward PlanCudnnForward(const AttentionSpec& spec, const CudnnTarget& target);
CudnnAttentionBackward PlanCudnnBackward(const AttentionSpec& spec, const CudnnTarget& target);

}  // namespace cadmus::cuda
