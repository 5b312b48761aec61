// SPDX-License-Identifier: Apache-2.0
#include "kernels/sim/register.h"

#include "kernels/ops/attention_choice.h"
#include "kernels/ops/gemm_choice.h"

namespace cadmus::sim {
namespace {

std::shared_ptr<const GemmPlan> MakeGemmPlan(const GemmSpec& spec, Device& /*device*/) {
  auto plan = std::make_shared<GemmPlan>();
  plan->spec = spec;
  plan->kernel = "recorded";
  return plan;
}

// The workspace that the cpu would ask for, so that memory is counted alike.
std::shared_ptr<const AttentionPlan> MakeAttentionPlan(const AttentionSpec& spec,
                                                       Device& /*device*/) {
  const AttentionChoice choice = ChooseAttention(spec);
  auto plan = std::make_shared<AttentionPlan>();
  plan->spec = spec;
  plan->kernel = "recorded";
  plan->forward_workspace_bytes = choice.forward.bytes();
  plan->backward_workspace_bytes = choice.backward.bytes();
  return plan;
}

}  // namespace

void RegisterKernels(KernelTable& table) {
  table.AddPlanner<GemmSpec, GemmPlan>(&MakeGemmPlan);
  table.Add<GemmArgs>(&RecordOnly);
  table.AddPlanner<AttentionSpec, AttentionPlan>(&MakeAttentionPlan);
  table.Add<AttentionForwardArgs>(&RecordOnly);
  table.Add<AttentionBackwardArgs>(&RecordOnly);
}

}  // namespace cadmus::sim
