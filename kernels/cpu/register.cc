// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/register.h"

#include "kernels/cpu/attention.h"
#include "kernels/cpu/gemm.h"

namespace cadmus::cpu {

void RegisterKernels(KernelTable& table) {
  table.AddPlanner<GemmSpec, GemmPlan>(&MakeGemmPlan);
  table.Add<GemmArgs>(&Gemm);
  table.AddPlanner<AttentionSpec, AttentionPlan>(&MakeAttentionPlan);
  table.Add<AttentionForwardArgs>(&AttentionForward);
  table.Add<AttentionBackwardArgs>(&AttentionBackward);
}

}  // namespace cadmus::cpu
