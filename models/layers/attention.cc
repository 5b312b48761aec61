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
AttentionShape OneRanksShape(AttentionShape shape, const TensorParallel& parallel) {
  shape.num_heads /= parallel.size();
  shape.num_kv_heads = std::max<int64_t>(1, shape.num_kv_heads / parallel.size());
  return shape;
}

}  // namespace

AttentionLayer::AttentionLayer(const std::string& name, const AttentionShape& shape,
                               double initial_std, double initial_std_out, const RopeTables& rope,
                               int64_t block, const TensorParallel& parallel)
    : shape_(OneRanksShape(shape, parallel)),
      rope_(rope),
      block_(block),
      qkv_weight_{
          .name = name + ".qkv.weight",
          .shape = {(shape.num_heads + 2 * shape.num_kv_heads) * shape.head_dim, shape.model_width},
          .initial = {InitialValue::Kind::kNormal, initial_std}},
      out_weight_{.name = name + ".out.weight",
                  .shape = {shape.model_width, shape.num_heads * shape.head_dim},
                  .initial = {InitialValue::Kind::kNormal, initial_std_out}},
      qkv_(qkv_weight_, parallel),
      out_(out_weight_, parallel) {}

void AttentionLayer::VisitParameters(const std::function<void(Parameter&)>& visit) {
  visit(qkv_weight_);
  visit(out_weight_);
}

AttentionSpec AttentionLayer::SpecFor(int64_t batch, int64_t query_length, int64_t key_length,
                                      DType dtype) const {
  return {.batch = batch,
          .query_length = query_length,
          .key_length = key_length,
          .num_heads = shape_.num_heads,
          .num_kv_heads = shape_.num_kv_heads,
          .head_dim = shape_.head_dim,
          .dtype = dtype,
          .scale = 1.0 / std::sqrt(static_cast<double>(shape_.head_dim))};
}

const AttentionPlan& AttentionLayer::PlanFor(const AttentionSpec& spec, Stream& stream) {
  for (const auto& plan : plans_) {
    if (plan->spec.batch == spec.batch && plan->spec.query_length == spec.query_length &&
        plan->spec.key_length == spec.key_length) {
      return *plan;
    }
  }
  plans_.push_back(MakePlan(stream.device(), spec));
  return *plans_.back();
}

void AttentionLayer::Rotate(const TensorView& qkv_BSND, const ConstTensorView& positions_BS,
                            RopeDirection direction, Stream& stream) const {
  Rope({.x_BSND = qkv_BSND.Slice(2, 0, shape_.num_heads + shape_.num_kv_heads),
        .positions_BS = positions_BS,
        .cos_PF = rope_.cos_PF(),
        .sin_PF = rope_.sin_PF(),
        .direction = direction},
       stream);
}

Tensor AttentionLayer::Forward(ForwardContext& context, Saved& saved, const ConstTensorView& x_TM) {
  Stream& stream = context.stream;
  const int64_t batch = context.inputs.tokens_BS.dim(0), length = context.inputs.tokens_BS.dim(1);
  const int64_t num_tokens = batch * length;
  const int64_t heads = shape_.num_heads, kv_heads = shape_.num_kv_heads,
                head_dim = shape_.head_dim;
  const DType dtype = x_TM.dtype();

  Tensor qkv_BSND(dtype, {batch, length, heads + 2 * kv_heads, head_dim},
                  MemoryCategory::kActivationsInput, stream);
  qkv_.Forward(x_TM, qkv_BSND.view().Reshape({num_tokens, (heads + 2 * kv_heads) * head_dim}),
               stream);
  Rotate(qkv_BSND, context.inputs.positions_BS, RopeDirection::kForward, stream);

  ConstTensorView k_BTKD = qkv_BSND.view().Slice(2, heads, heads + kv_heads);
  ConstTensorView v_BTKD = qkv_BSND.view().Slice(2, heads + kv_heads, heads + 2 * kv_heads);
  int64_t query_offset = 0;
  int64_t key_capacity = length;
  ConstTensorView documents_BS = context.inputs.documents_BS;
  if (context.cache != nullptr) {
    query_offset = context.cache->length();
    key_capacity = context.cache->capacity();
    documents_BS = ConstTensorView();
    const TensorView keys = context.cache->keys_BTKD(block_);
    const TensorView values = context.cache->values_BTKD(block_);
    Cast({.x = k_BTKD, .y = keys.Slice(1, query_offset, query_offset + length)}, stream);
    Cast({.x = v_BTKD, .y = values.Slice(1, query_offset, query_offset + length)}, stream);
    k_BTKD = keys.Slice(1, 0, query_offset + length);
    v_BTKD = values.Slice(1, 0, query_offset + length);
  }

  auto [out_TC, lse_BHS] = RunCore({.q_BSHD = qkv_BSND.view().Slice(2, 0, heads),
                                    .k_BTKD = k_BTKD,
                                    .v_BTKD = v_BTKD,
                                    .documents_BS = documents_BS,
                                    .query_offset = query_offset,
                                    .key_capacity = key_capacity},
                                   stream);
  Tensor y_TM = out_.Forward(out_TC.view(), stream);

  if (context.saves()) {
    saved.qkv_BSND = std::move(qkv_BSND);
    saved.out_TC = std::move(out_TC);
    saved.lse_BHS = std::move(lse_BHS);
  }
  return y_TM;
}

AttentionLayer::CoreOutputs AttentionLayer::RunCore(const CoreInputs& inputs, Stream& stream) {
  const ConstTensorView& q_BSHD = inputs.q_BSHD;
  const int64_t batch = q_BSHD.dim(0), length = q_BSHD.dim(1), heads = q_BSHD.dim(2);
  const DType dtype = q_BSHD.dtype();
  const AttentionPlan& plan = PlanFor(SpecFor(batch, length, inputs.key_capacity, dtype), stream);
  CoreOutputs outputs = {.out_TC = Tensor(dtype, {batch * length, heads * shape_.head_dim},
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
  const int64_t heads = shape_.num_heads, kv_heads = shape_.num_kv_heads;
  CoreOutputs outputs =
      RunCore({.q_BSHD = qkv_BSND.Slice(2, 0, heads),
               .k_BTKD = qkv_BSND.Slice(2, heads, heads + kv_heads),
               .v_BTKD = qkv_BSND.Slice(2, heads + kv_heads, heads + 2 * kv_heads),
               .documents_BS = context.inputs.documents_BS,
               .key_capacity = qkv_BSND.dim(1)},
              context.stream);
  saved.out_TC = std::move(outputs.out_TC);
  saved.lse_BHS = std::move(outputs.lse_BHS);
}

Tensor AttentionLayer::BackwardInput(BackwardContext& context, Saved& saved,
                                     const ConstTensorView& dy_TM) {
  Stream& stream = context.stream;
  const TensorView& qkv_BSND = saved.qkv_BSND.view();
  const int64_t batch = qkv_BSND.dim(0), length = qkv_BSND.dim(1), num_tokens = batch * length;
  const int64_t heads = shape_.num_heads, kv_heads = shape_.num_kv_heads,
                head_dim = shape_.head_dim;
  const DType dtype = qkv_BSND.dtype();
  const Shape head_shape = {batch, length, heads, head_dim};

  saved.dqkv_BSND = Tensor(dtype, qkv_BSND.shape(), MemoryCategory::kActivationsWeight, stream);
  const TensorView& dqkv_BSND = saved.dqkv_BSND.view();
  {
    const Tensor dout_TC(dtype, {num_tokens, heads * head_dim}, MemoryCategory::kActivationsInput,
                         stream);
    saved.dy_TM = out_.BackwardInput(dy_TM, dout_TC, stream);
    const AttentionPlan& plan = PlanFor(SpecFor(batch, length, length, dtype), stream);
    const Tensor workspace = NewWorkspace(plan.backward_workspace_bytes, stream);
    AttentionBackward({.plan = &plan,
                       .q_BSHD = qkv_BSND.Slice(2, 0, heads),
                       .k_BTKD = qkv_BSND.Slice(2, heads, heads + kv_heads),
                       .v_BTKD = qkv_BSND.Slice(2, heads + kv_heads, heads + 2 * kv_heads),
                       .query_documents_BS = context.inputs.documents_BS,
                       .key_documents_BT = context.inputs.documents_BS,
                       .out_BSHD = saved.out_TC.view().Reshape(head_shape),
                       .lse_BHS = saved.lse_BHS,
                       .dout_BSHD = dout_TC.view().Reshape(head_shape),
                       .dq_BSHD = dqkv_BSND.Slice(2, 0, heads),
                       .dk_BTKD = dqkv_BSND.Slice(2, heads, heads + kv_heads),
                       .dv_BTKD = dqkv_BSND.Slice(2, heads + kv_heads, heads + 2 * kv_heads),
                       .workspace = workspace.view()},
                      stream);
  }
  saved.qkv_BSND.Reset();
  saved.lse_BHS.Reset();
  Rotate(dqkv_BSND, context.inputs.positions_BS, RopeDirection::kBackward, stream);

  return qkv_.BackwardInput(dqkv_BSND.Reshape({num_tokens, (heads + 2 * kv_heads) * head_dim}),
                            stream);
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
