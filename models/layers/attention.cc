// SPDX-License-Identifier: Apache-2.0
#include "models/layers/attention.h"

#include <algorithm>
#include <cmath>

#include "kernels/ops/cast.h"
#include "kernels/ops/check.h"
#include "kernels/ops/rope.h"

namespace cadmus {
namespace {

Tensor NewWorkspace(int64_t num_bytes, Stream& stream) {
  return num_bytes == 0 ? Tensor()
                        : Tensor(DType::kU8, {num_bytes}, MemoryCategory::kWorkspace, stream);
}

// Query head h reads key/value head h / (H / K), so a rank whose query heads are one n-th in order
// needs one n-th of the key/value heads, or, where there are fewer than n, a single one.
AttentionLayerSpec OneRanksSpec(AttentionLayerSpec spec, const TensorParallel& parallel) {
  spec.num_heads /= parallel.size();
  spec.num_kv_heads = std::max<int64_t>(1, spec.num_kv_heads / parallel.size());
  return spec;
}

// [B, S, heads, D] to [T, heads, D], of contiguous heads.
template <class View>
View FlatTokens(const View& x_BSND) {
  return x_BSND.Reshape({x_BSND.dim(0) * x_BSND.dim(1), x_BSND.dim(2), x_BSND.dim(3)});
}

}  // namespace

AttentionLayer::AttentionLayer(const std::string& name, const AttentionLayerSpec& spec,
                               const RopeTables* rope, const TensorParallel& parallel)
    : spec_(OneRanksSpec(spec, parallel)),
      rope_(rope),
      qkv_parameters_(name + ".qkv",
                      {.num_inputs = spec.model_width,
                       .num_outputs = (spec.num_heads + 2 * spec.num_kv_heads) * spec.head_dim,
                       .initial_std = spec.initial_std,
                       .has_bias = spec.qkv_bias}),
      out_parameters_(name + ".out", {.num_inputs = spec.num_heads * spec.head_dim,
                                      .num_outputs = spec.model_width,
                                      .initial_std = spec.initial_std_out,
                                      .has_bias = spec.out_bias}),
      qkv_(qkv_parameters_, parallel),
      out_(out_parameters_, parallel) {
  if (!spec.qk_norm) return;
  qk_norm_.emplace(name, QkNorm::Spec{.num_heads = spec_.num_heads,
                                      .head_dim = spec.head_dim,
                                      .epsilon = spec.norm_epsilon});
}

void AttentionLayer::VisitParameters(const std::function<void(Parameter&)>& visit) {
  qkv_parameters_.VisitParameters(visit);
  if (qk_norm_) qk_norm_->VisitParameters(visit);
  out_parameters_.VisitParameters(visit);
}

AttentionSpec AttentionLayer::SpecFor(const CoreInputs& inputs) const {
  const ConstTensorView& q_BSHD = inputs.q_BSHD;
  const int64_t gradient_stride = (NumQkHeads() + spec_.num_kv_heads) * spec_.head_dim;
  return {.batch = q_BSHD.dim(0),
          .query_length = q_BSHD.dim(1),
          .key_length = inputs.key_capacity,
          .num_heads = spec_.num_heads,
          .num_kv_heads = spec_.num_kv_heads,
          .head_dim = spec_.head_dim,
          .dtype = q_BSHD.dtype(),
          .window = spec_.window,
          .scale = 1.0 / std::sqrt(static_cast<double>(spec_.head_dim)),
          .has_documents = static_cast<bool>(inputs.documents_BS),
          .token_strides = {.q = q_BSHD.stride(1),
                            .k = inputs.k_BTKD.stride(1),
                            .v = inputs.v_BTKD.stride(1),
                            .dq = gradient_stride,
                            .dk = gradient_stride,
                            .dv = gradient_stride}};
}

const AttentionPlan& AttentionLayer::PlanFor(const AttentionSpec& spec, Stream& stream) {
  for (const auto& plan : plans_) {
    if (plan->spec.batch == spec.batch && plan->spec.query_length == spec.query_length &&
        plan->spec.key_length == spec.key_length &&
        plan->spec.has_documents == spec.has_documents) {
      return *plan;
    }
  }
  plans_.push_back(MakePlan(stream.device(), spec));
  return *plans_.back();
}

AttentionLayer::NormedHeads AttentionLayer::Normalise(const ConstTensorView& qkv_BSND,
                                                      Stream& stream) const {
  if (!qk_norm_) return {};
  NormedHeads normed = {.qk_BSPD =
                            Tensor(qkv_BSND.dtype(),
                                   {qkv_BSND.dim(0), qkv_BSND.dim(1), NumQkHeads(), spec_.head_dim},
                                   MemoryCategory::kActivationsInput, stream)};
  normed.statistics = qk_norm_->Forward(FlatTokens(qkv_BSND).Slice(1, 0, NumQkHeads()),
                                        FlatTokens(normed.qk_BSPD.view()), stream);
  return normed;
}

void AttentionLayer::Rotate(const TensorView& qk_BSPD, const ConstTensorView& positions_BS,
                            RopeDirection direction, Stream& stream) const {
  if (rope_ == nullptr) return;
  Rope({.x_BSND = qk_BSPD,
        .positions_BS = positions_BS,
        .cos_PF = rope_->cos_PF(),
        .sin_PF = rope_->sin_PF(),
        .direction = direction},
       stream);
}

AttentionLayer::CoreInputs AttentionLayer::HeadsOf(const ConstTensorView& qkv_BSND,
                                                   const NormedHeads& normed) const {
  const int64_t heads = spec_.num_heads, qk_heads = NumQkHeads();
  const ConstTensorView qk_BSPD = normed.qk_BSPD ? normed.qk_BSPD.view() : qkv_BSND;
  return {.q_BSHD = qk_BSPD.Slice(2, 0, heads),
          .k_BTKD = qk_BSPD.Slice(2, heads, qk_heads),
          .v_BTKD = qkv_BSND.Slice(2, qk_heads, qkv_BSND.dim(2)),
          .key_capacity = qkv_BSND.dim(1)};
}

Tensor AttentionLayer::Forward(ForwardContext& context, Saved& saved, const ConstTensorView& x_TM) {
  Stream& stream = context.stream;
  const int64_t batch = context.inputs.tokens_BS.dim(0), length = context.inputs.tokens_BS.dim(1);
  const int64_t num_heads = NumQkHeads() + spec_.num_kv_heads;

  Tensor qkv_BSND(x_TM.dtype(), {batch, length, num_heads, spec_.head_dim},
                  MemoryCategory::kActivationsInput, stream);
  qkv_.Forward(x_TM, qkv_BSND.view().Reshape({batch * length, num_heads * spec_.head_dim}), stream);
  NormedHeads normed = Normalise(qkv_BSND, stream);
  Rotate(normed.qk_BSPD ? normed.qk_BSPD.view() : qkv_BSND.view().Slice(2, 0, NumQkHeads()),
         context.inputs.positions_BS, RopeDirection::kForward, stream);

  CoreInputs inputs = HeadsOf(qkv_BSND, normed);
  inputs.documents_BS = context.inputs.documents_BS;
  if (context.cache != nullptr) AppendToCache(*context.cache, inputs, stream);
  auto [out_TC, lse_BHS] = RunCore(inputs, stream);
  Tensor y_TM = out_.Forward(out_TC.view(), stream);

  if (context.saves()) {
    saved.qkv_BSND = std::move(qkv_BSND);
    saved.normed = std::move(normed);
    saved.out_TC = std::move(out_TC);
    saved.lse_BHS = std::move(lse_BHS);
  }
  return y_TM;
}

// From then on keys and values are all those of the cache.
void AttentionLayer::AppendToCache(const KvCache& cache, CoreInputs& inputs, Stream& stream) const {
  const int64_t begin = cache.length(), end = begin + inputs.k_BTKD.dim(1);
  const TensorView keys = cache.keys_BTKD(spec_.block), values = cache.values_BTKD(spec_.block);
  Cast({.x = inputs.k_BTKD, .y = keys.Slice(1, begin, end)}, stream);
  Cast({.x = inputs.v_BTKD, .y = values.Slice(1, begin, end)}, stream);
  inputs.k_BTKD = keys.Slice(1, 0, end);
  inputs.v_BTKD = values.Slice(1, 0, end);
  inputs.documents_BS = ConstTensorView();
  inputs.query_offset = begin;
  inputs.key_capacity = cache.capacity();
}

AttentionLayer::CoreOutputs AttentionLayer::RunCore(const CoreInputs& inputs, Stream& stream) {
  const ConstTensorView& q_BSHD = inputs.q_BSHD;
  const int64_t batch = q_BSHD.dim(0), length = q_BSHD.dim(1), heads = q_BSHD.dim(2);
  const DType dtype = q_BSHD.dtype();
  const AttentionPlan& plan = PlanFor(SpecFor(inputs), stream);
  CoreOutputs outputs = {.out_TC = Tensor(dtype, {batch * length, heads * spec_.head_dim},
                                          MemoryCategory::kActivationsWeight, stream),
                         .lse_BHS = Tensor(StatisticsDType(dtype), {batch, heads, length},
                                           MemoryCategory::kActivationsInput, stream)};
  const Tensor workspace = NewWorkspace(plan.forward_workspace_bytes, stream);
  AttentionForward({.plan = &plan,
                    .q_BSHD = q_BSHD,
                    .k_BTKD = inputs.k_BTKD,
                    .v_BTKD = inputs.v_BTKD,
                    .query_documents_BS = inputs.documents_BS,
                    .key_documents_BT = inputs.documents_BS,
                    .query_offset = inputs.query_offset,
                    .out_BSHD = outputs.out_TC.view().Reshape(q_BSHD.shape()),
                    .lse_BHS = outputs.lse_BHS,
                    .workspace = workspace.view()},
                   stream);
  return outputs;
}

void AttentionLayer::RecomputeCore(BackwardContext& context, Saved& saved) {
  const TensorView& qkv_BSND = saved.qkv_BSND.view();
  if (qk_norm_) {
    saved.normed = Normalise(qkv_BSND, context.stream);
    Rotate(saved.normed.qk_BSPD, context.inputs.positions_BS, RopeDirection::kForward,
           context.stream);
  }
  CoreInputs inputs = HeadsOf(qkv_BSND, saved.normed);
  inputs.documents_BS = context.inputs.documents_BS;
  CoreOutputs outputs = RunCore(inputs, context.stream);
  saved.out_TC = std::move(outputs.out_TC);
  saved.lse_BHS = std::move(outputs.lse_BHS);
}

Tensor AttentionLayer::BackwardInput(BackwardContext& context, Saved& saved,
                                     const ConstTensorView& dy_TM) {
  Stream& stream = context.stream;
  const TensorView& qkv_BSND = saved.qkv_BSND.view();
  const int64_t batch = qkv_BSND.dim(0), length = qkv_BSND.dim(1), num_tokens = batch * length;
  const int64_t heads = spec_.num_heads, qk_heads = NumQkHeads(), head_dim = spec_.head_dim;
  const DType dtype = qkv_BSND.dtype();
  const Shape head_shape = {batch, length, heads, head_dim};

  saved.dqkv_BSND = Tensor(dtype, qkv_BSND.shape(), MemoryCategory::kActivationsWeight, stream);
  const TensorView& dqkv_BSND = saved.dqkv_BSND.view();
  {
    const Tensor dout_TC(dtype, {num_tokens, heads * head_dim}, MemoryCategory::kActivationsInput,
                         stream);
    saved.dy_TM = out_.BackwardInput(dy_TM, dout_TC, stream);
    CoreInputs inputs = HeadsOf(qkv_BSND, saved.normed);
    inputs.documents_BS = context.inputs.documents_BS;
    const AttentionPlan& plan = PlanFor(SpecFor(inputs), stream);
    const Tensor workspace = NewWorkspace(plan.backward_workspace_bytes, stream);
    AttentionBackward({.plan = &plan,
                       .q_BSHD = inputs.q_BSHD,
                       .k_BTKD = inputs.k_BTKD,
                       .v_BTKD = inputs.v_BTKD,
                       .query_documents_BS = inputs.documents_BS,
                       .key_documents_BT = inputs.documents_BS,
                       .out_BSHD = saved.out_TC.view().Reshape(head_shape),
                       .lse_BHS = saved.lse_BHS,
                       .dout_BSHD = dout_TC.view().Reshape(head_shape),
                       .dq_BSHD = dqkv_BSND.Slice(2, 0, heads),
                       .dk_BTKD = dqkv_BSND.Slice(2, heads, qk_heads),
                       .dv_BTKD = dqkv_BSND.Slice(2, qk_heads, dqkv_BSND.dim(2)),
                       .workspace = workspace.view()},
                      stream);
  }
  saved.lse_BHS.Reset();
  saved.normed.qk_BSPD.Reset();
  Rotate(dqkv_BSND.Slice(2, 0, qk_heads), context.inputs.positions_BS, RopeDirection::kBackward,
         stream);
  if (qk_norm_) {
    qk_norm_->Backward(FlatTokens(qkv_BSND).Slice(1, 0, qk_heads), saved.normed.statistics,
                       FlatTokens(dqkv_BSND).Slice(1, 0, qk_heads), context);
  }
  saved.normed = NormedHeads();
  saved.qkv_BSND.Reset();

  return qkv_.BackwardInput(dqkv_BSND.Reshape({num_tokens, dqkv_BSND.dim(2) * head_dim}), stream);
}

void AttentionLayer::BackwardWeight(BackwardContext& context, Saved& saved,
                                    const ConstTensorView& x_TM, const ConstTensorView& dy_TM) {
  out_.BackwardWeight(saved.out_TC, saved.dy_TM ? saved.dy_TM.view() : dy_TM, context);
  saved.out_TC.Reset();
  saved.dy_TM.Reset();
  const int64_t num_tokens = x_TM.dim(0);
  const TensorView& dqkv_BSND = saved.dqkv_BSND.view();
  qkv_.BackwardWeight(x_TM, dqkv_BSND.Reshape({num_tokens, dqkv_BSND.num_elements() / num_tokens}),
                      context);
  saved.dqkv_BSND.Reset();
}

}  // namespace cadmus
