// SPDX-License-Identifier: Apache-2.0
#include "kernels/sim/register.h"

#include "kernels/ops/adamw.h"
#include "kernels/ops/attention_choice.h"
#include "kernels/ops/bias_gradient.h"
#include "kernels/ops/cast.h"
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/cuda_choice.h"
#include "kernels/ops/cudnn_choice.h"
#include "kernels/ops/dropout.h"
#include "kernels/ops/embedding.h"
#include "kernels/ops/gelu.h"
#include "kernels/ops/head_norm.h"
#include "kernels/ops/layer_norm.h"
#include "kernels/ops/reduce.h"
#include "kernels/ops/rms_norm.h"
#include "kernels/ops/rope.h"
#include "kernels/ops/swiglu.h"

namespace cadmus::sim {
namespace {

// Plans ask for the workspace that the device stood for would ask for, so that memory is counted
// alike.
std::shared_ptr<const GemmPlan> MakeGemmPlan(const GemmSpec& spec, Device& device) {
  auto plan = std::make_shared<GemmPlan>();
  plan->spec = spec;
  plan->kernel = "recorded";
  if (device.properties().kind == DeviceKind::kCuda) {
    plan->workspace_bytes = CudaGemmWorkspaceBytes(spec);
  }
  return plan;
}

std::shared_ptr<const AttentionPlan> MakeAttentionPlan(const AttentionSpec& spec, Device& device) {
  auto plan = std::make_shared<AttentionPlan>();
  plan->spec = spec;
  plan->kernel = "recorded";
  if (device.properties().kind == DeviceKind::kCuda) {
    const GpuAttentionChoice choice =
        ChooseGpuAttention(GpuKernels(), spec, device.properties().capability);
    plan->forward_workspace_bytes = choice.forward_workspace_bytes;
    plan->backward_workspace_bytes = choice.backward_workspace_bytes;
    return plan;
  }
  const AttentionChoice choice = ChooseAttention(spec);
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
  table.Add<AdamWArgs>(&RecordOnly);
  table.Add<BiasGradientArgs>(&RecordOnly);
  table.Add<CastArgs>(&RecordOnly);
  table.Add<CrossEntropyArgs>(&RecordOnly);
  table.Add<LogitStatisticsArgs>(&RecordOnly);
  table.Add<SplitCrossEntropyArgs>(&RecordOnly);
  table.Add<DropoutArgs>(&RecordOnly);
  table.Add<EmbeddingForwardArgs>(&RecordOnly);
  table.Add<EmbeddingBackwardArgs>(&RecordOnly);
  table.Add<GeluForwardArgs>(&RecordOnly);
  table.Add<GeluBackwardArgs>(&RecordOnly);
  table.Add<HeadNormForwardArgs>(&RecordOnly);
  table.Add<HeadNormBackwardArgs>(&RecordOnly);
  table.Add<LayerNormForwardArgs>(&RecordOnly);
  table.Add<LayerNormBackwardArgs>(&RecordOnly);
  table.Add<SumArgs>(&RecordOnly);
  table.Add<SquaredNormArgs>(&RecordOnly);
  table.Add<ClipFactorArgs>(&RecordOnly);
  table.Add<RmsNormForwardArgs>(&RecordOnly);
  table.Add<RmsNormBackwardArgs>(&RecordOnly);
  table.Add<RopeArgs>(&RecordOnly);
  table.Add<SwiGluForwardArgs>(&RecordOnly);
  table.Add<SwiGluBackwardArgs>(&RecordOnly);
}

}  // namespace cadmus::sim
