// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "benchmarks/gpu/llama_8b.h"
#include "benchmarks/gpu/speed_cases.h"
#include "kernels/base/error.h"
#include "kernels/ops/attention.h"
#include "kernels/ops/cudnn_choice.h"

namespace cadmus::gpu_speed {
namespace {

// A kernel, asked for by name, and whether its bits must repeat.
struct Variant {
  std::string_view kernel;
  Reproducibility reproducibility = Reproducibility::kBitwise;
};

AttentionSpec CausalSpec(int64_t length, const Variant& variant) {
  return {.batch = 1,
          .query_length = length,
          .key_length = length,
          .num_heads = kHeads,
          .num_kv_heads = kKvHeads,
          .head_dim = kHeadDim,
          .dtype = DType::kBF16,
          .scale = 1 / std::sqrt(static_cast<double>(kHeadDim)),
          .reproducibility = variant.reproducibility,
          .gpu_kernel = std::string(variant.kernel)};
}

TensorView Workspace(Buffers& b, int64_t bytes) {
  return bytes == 0 ? TensorView() : b.Empty(DType::kU8, {bytes});
}

AttentionForwardArgs AttentionForwardSet(Buffers& b, const AttentionPlan& plan,
                                         const TensorView& workspace) {
  const AttentionSpec& s = plan.spec;
  return {.plan = &plan,
          .q_BSHD = b.Uniform(s.dtype, {1, s.query_length, kHeads, kHeadDim}),
          .k_BTKD = b.Uniform(s.dtype, {1, s.key_length, kKvHeads, kHeadDim}),
          .v_BTKD = b.Uniform(s.dtype, {1, s.key_length, kKvHeads, kHeadDim}),
          .out_BSHD = b.Empty(s.dtype, {1, s.query_length, kHeads, kHeadDim}),
          .lse_BHS = b.Empty(DType::kF32, {1, kHeads, s.query_length}),
          .workspace = workspace};
}

AttentionBackwardArgs AttentionBackwardSet(Buffers& b, const AttentionForwardArgs& forward,
                                           const TensorView& workspace) {
  const AttentionPlan& plan = *forward.plan;
  const AttentionSpec& s = plan.spec;
  return {.plan = &plan,
          .q_BSHD = forward.q_BSHD,
          .k_BTKD = forward.k_BTKD,
          .v_BTKD = forward.v_BTKD,
          .out_BSHD = forward.out_BSHD,
          .lse_BHS = forward.lse_BHS,
          .dout_BSHD = b.Uniform(s.dtype, {1, s.query_length, kHeads, kHeadDim}),
          .dq_BSHD = b.Empty(s.dtype, {1, s.query_length, kHeads, kHeadDim}),
          .dk_BTKD = b.Empty(s.dtype, {1, s.key_length, kKvHeads, kHeadDim}),
          .dv_BTKD = b.Empty(s.dtype, {1, s.key_length, kKvHeads, kHeadDim}),
          .workspace = workspace};
}

template <class Args>
void Alone(SpeedRun& run, const std::string& name, const std::vector<Args>& sets,
           void (*op)(const Args&, Stream&)) {
  const auto ours = InTurn<Args>("cadmus", sets, [&](const Args& args) { op(args, run.stream); });
  run.Report(name, ours, nullptr, [&](const timing::Measurement& m) -> timing::Findings {
    return {.numbers = {{"tflops", 1e-12 * Cost(sets.front()).flops / m.control.a.median}},
            .words = {{"kernel", sets.front().plan->kernel}}};
  });
}

// Null, said to people, where the kernel is not to be had here.
std::shared_ptr<const AttentionPlan> PlanOf(SpeedRun& run, const AttentionSpec& spec) {
  try {
    return MakePlan(run.stream.device(), spec);
  } catch (const Error& error) {
    if (error.kind() != Kind::kConfig) throw;
    run.people << "skipped: " << error.message() << std::endl;
    return nullptr;
  }
}

void RunLength(SpeedRun& run, int64_t length, const Variant& variant) {
  const auto plan = PlanOf(run, CausalSpec(length, variant));
  if (plan == nullptr) return;
  Buffers buffers(run.stream);
  const TensorView forward_workspace = Workspace(buffers, plan->forward_workspace_bytes);
  const TensorView backward_workspace = Workspace(buffers, plan->backward_workspace_bytes);
  const auto forward = RotatingSets<AttentionForwardArgs>(
      run, buffers, [&](Buffers& b) { return AttentionForwardSet(b, *plan, forward_workspace); });
  std::vector<AttentionBackwardArgs> backward;
  for (const AttentionForwardArgs& args : forward) {
    AttentionForward(args, run.stream);  // the gradients read its outputs
    backward.push_back(AttentionBackwardSet(buffers, args, backward_workspace));
  }
  const bool repeats = variant.reproducibility == Reproducibility::kBitwise;
  const std::string name =
      StrCat(", T", length, " H32 K8 D128 causal bf16, ", variant.kernel, repeats ? "" : ", fast");
  if (repeats) Alone(run, "attention forward" + name, forward, &AttentionForward);
  Alone(run, "attention backward" + name, backward, &AttentionBackward);
}

}  // namespace

void RunAttentionCases(SpeedRun& run) {
  for (const int64_t length : {1024, 8192}) {
    RunLength(run, length, {kSimpleAttention});
    RunLength(run, length, {kCudnnAttention});
  }
  RunLength(run, 8192, {kCudnnAttention, Reproducibility::kFast});
}

}  // namespace cadmus::gpu_speed
