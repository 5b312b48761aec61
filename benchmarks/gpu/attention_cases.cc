// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "benchmarks/gpu/llama_8b.h"
#include "benchmarks/gpu/speed_cases.h"
#include "kernels/ops/attention.h"

namespace cadmus::gpu_speed {
namespace {

AttentionSpec CausalSpec(int64_t length) {
  return {.batch = 1,
          .query_length = length,
          .key_length = length,
          .num_heads = kHeads,
          .num_kv_heads = kKvHeads,
          .head_dim = kHeadDim,
          .dtype = DType::kBF16,
          .scale = 1 / std::sqrt(static_cast<double>(kHeadDim))};
}

TensorView Workspace(Buffers& b, int64_t bytes) {
  return bytes == 0 ? TensorView() : b.Empty(DType::kU8, {bytes});
}

AttentionForwardArgs AttentionForwardSet(Buffers& b, const AttentionPlan& plan) {
  const AttentionSpec& s = plan.spec;
  return {.plan = &plan,
          .q_BSHD = b.Uniform(s.dtype, {1, s.query_length, kHeads, kHeadDim}),
          .k_BTKD = b.Uniform(s.dtype, {1, s.key_length, kKvHeads, kHeadDim}),
          .v_BTKD = b.Uniform(s.dtype, {1, s.key_length, kKvHeads, kHeadDim}),
          .out_BSHD = b.Empty(s.dtype, {1, s.query_length, kHeads, kHeadDim}),
          .lse_BHS = b.Empty(DType::kF32, {1, kHeads, s.query_length}),
          .workspace = Workspace(b, plan.forward_workspace_bytes)};
}

AttentionBackwardArgs AttentionBackwardSet(Buffers& b, const AttentionForwardArgs& forward) {
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
          .workspace = Workspace(b, plan.backward_workspace_bytes)};
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

void RunLength(SpeedRun& run, int64_t length) {
  const auto plan = MakePlan(run.stream.device(), CausalSpec(length));
  Buffers buffers(run.stream);
  const auto forward = RotatingSets<AttentionForwardArgs>(
      run, buffers, [&](Buffers& b) { return AttentionForwardSet(b, *plan); });
  std::vector<AttentionBackwardArgs> backward;
  for (const AttentionForwardArgs& args : forward) {
    AttentionForward(args, run.stream);  // the gradients read its outputs
    backward.push_back(AttentionBackwardSet(buffers, args));
  }
  const std::string shape = StrCat("T", length, " H32 K8 D128 causal bf16");
  Alone(run, "attention forward, " + shape, forward, &AttentionForward);
  Alone(run, "attention backward, " + shape, backward, &AttentionBackward);
}

}  // namespace

void RunAttentionCases(SpeedRun& run) {
  for (const int64_t length : {1024, 8192}) RunLength(run, length);
}

}  // namespace cadmus::gpu_speed
