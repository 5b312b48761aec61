// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cudnn_attention_graph.h"

#include <limits>

#include "kernels/ops/cudnn_choice.h"

namespace cadmus::cuda {
namespace {

// [B, sequence, heads, D] in memory, in the library's order of dims: [B, heads, sequence, D].
CudnnShape HeadsShape(const AttentionSpec& spec, int64_t heads, int64_t length, int64_t declared) {
  const int64_t token_stride = declared == 0 ? heads * spec.head_dim : declared;
  return {{spec.batch, heads, length, spec.head_dim},
          {length * token_stride, spec.head_dim, token_stride, 1}};
}

// The parts that both graphs have, and the shapes of their tensors.
class AttentionGraph : public CudnnGraph {
 public:
  explicit AttentionGraph(const AttentionSpec& spec)
      : spec_(spec),
        scores_(Contiguous({spec.batch, spec.num_heads, spec.query_length, spec.key_length})),
        rows_(Contiguous({spec.batch, spec.num_heads, spec.query_length, 1})),
        scale_(0) {}

  const CudnnShape& scores() const { return scores_; }
  const CudnnShape& rows() const { return rows_; }
  CudnnShape Queries(int64_t token_stride = 0) const {
    return HeadsShape(spec_, spec_.num_heads, spec_.query_length, token_stride);
  }
  CudnnShape Keys(int64_t token_stride = 0) const {
    return HeadsShape(spec_, spec_.num_kv_heads, spec_.key_length, token_stride);
  }

  // What an operation makes, as a new virtual tensor of scores or rows.
  CudnnTensor Product(CudnnTensor a, CudnnTensor b) {
    const CudnnTensor c = Virtual(scores_);
    Matmul(a, b, c);
    return c;
  }
  CudnnTensor Made(cudnnPointwiseMode_t mode, const CudnnShape& shape, CudnnTensor x) {
    const CudnnTensor y = Virtual(shape);
    Pointwise(mode, x, y);
    return y;
  }
  CudnnTensor Made(cudnnPointwiseMode_t mode, const CudnnShape& shape, CudnnTensor x,
                   CudnnTensor b) {
    const CudnnTensor y = Virtual(shape);
    Pointwise(mode, x, b, y);
    return y;
  }
  CudnnTensor Reduced(cudnnReduceTensorOp_t op, CudnnTensor x) {
    const CudnnTensor y = Virtual(rows_);
    Reduce(op, x, y);
    return y;
  }
  CudnnTensor Scaled(CudnnTensor x) {
    if (scale_ == 0) scale_ = Constant(static_cast<float>(spec_.scale));
    return Made(CUDNN_POINTWISE_MUL, scores_, x, scale_);
  }
  // -inf where a query does not see a key.
  CudnnTensor Masked(CudnnTensor x) {
    if (spec_.mask == AttentionMask::kFull) return x;
    const CudnnTensor row = Index(x, 2), column = Index(x, 3);
    const CudnnTensor causal = Where(CUDNN_POINTWISE_CMP_GE, row, column, x);
    if (spec_.window == 0) return causal;
    const CudnnTensor row_again = Index(causal, 2), column_again = Index(causal, 3);
    const CudnnTensor end = Made(CUDNN_POINTWISE_ADD, scores_, column_again,
                                 Constant(static_cast<float>(spec_.window)));
    return Where(CUDNN_POINTWISE_CMP_GT, end, row_again, causal);
  }
  // Rounded to bf16, with rows and columns exchanged.
  CudnnTensor Transposed(CudnnTensor x) {
    const CudnnTensor y = Virtual(scores_.Transposed(), CUDNN_DATA_BFLOAT16);
    Reshape(x, y);
    return y;
  }
  // Gradients of keys or values: a product per query head, summed over those of a group.
  void KeyGradient(CudnnTensor a, CudnnTensor b, CudnnTensor gradient) {
    if (spec_.num_heads == spec_.num_kv_heads) return Matmul(a, b, gradient);
    const CudnnTensor of_heads =
        Virtual(Contiguous({spec_.batch, spec_.num_heads, spec_.key_length, spec_.head_dim}),
                CUDNN_DATA_BFLOAT16);
    Matmul(a, b, of_heads);
    Reduce(CUDNN_REDUCE_TENSOR_ADD, of_heads, gradient);
  }

 private:
  CudnnTensor Index(CudnnTensor x, int64_t dim) {
    const CudnnTensor index = Virtual(scores_, CUDNN_DATA_INT32);
    GenerateIndex(x, dim, index);
    return index;
  }
  CudnnTensor Where(cudnnPointwiseMode_t mode, CudnnTensor a, CudnnTensor b, CudnnTensor x) {
    const CudnnTensor mask = Virtual(scores_, CUDNN_DATA_BOOLEAN);
    Compare(mode, a, b, mask);
    const CudnnTensor y = Virtual(scores_);
    Select(x, Constant(-std::numeric_limits<float>::infinity()), mask, y);
    return y;
  }

  const AttentionSpec& spec_;
  CudnnShape scores_, rows_;  // [B, H, S, T], [B, H, S, 1]
  CudnnTensor scale_;
};

}  // namespace

CudnnAttentionForward PlanCudnnForward(const AttentionSpec& spec, const CudnnTarget& target) {
  const AttentionSpec::TokenStrides& strides = spec.token_strides;
  AttentionGraph graph(spec);
  const CudnnTensor q = graph.Given(graph.Queries(strides.q));
  const CudnnTensor k = graph.Given(graph.Keys(strides.k).Transposed());
  const CudnnTensor v = graph.Given(graph.Keys(strides.v));
  const CudnnTensor out = graph.Given(graph.Queries());
  const CudnnTensor lse = graph.Given(graph.rows(), CUDNN_DATA_FLOAT);

  const CudnnTensor scores = graph.Masked(graph.Scaled(graph.Product(q, k)));
  const CudnnTensor maximum = graph.Reduced(CUDNN_REDUCE_TENSOR_MAX, scores);
  const CudnnTensor below = graph.Made(CUDNN_POINTWISE_SUB, graph.scores(), scores, maximum);
  const CudnnTensor weights = graph.Made(CUDNN_POINTWISE_EXP, graph.scores(), below);
  const CudnnTensor sum = graph.Reduced(CUDNN_REDUCE_TENSOR_ADD, weights);
  const CudnnTensor log = graph.Made(CUDNN_POINTWISE_LOG, graph.rows(), sum);
  graph.Pointwise(CUDNN_POINTWISE_ADD, maximum, log, lse);
  const CudnnTensor p = graph.Virtual(graph.scores(), CUDNN_DATA_BFLOAT16);
  graph.Pointwise(CUDNN_POINTWISE_DIV, weights, sum, p);
  graph.Matmul(p, v, out);

  return {
      .q = q,
      .k = k,
      .v = v,
      .out = out,
      .lse = lse,
      .plan = graph.MakePlan(target, {.most_workspace_bytes = CudnnForwardWorkspaceBytes(spec)})};
}

CudnnAttentionBackward PlanCudnnBackward(const AttentionSpec& spec, const CudnnTarget& target) {
  const AttentionSpec::TokenStrides& strides = spec.token_strides;
  const bool is_deterministic = spec.reproducibility == Reproducibility::kBitwise;
  AttentionGraph graph(spec);
  const CudnnTensor q = graph.Given(graph.Queries(strides.q));
  const CudnnTensor k = graph.Given(graph.Keys(strides.k).Transposed());
  const CudnnTensor v = graph.Given(graph.Keys(strides.v).Transposed());
  const CudnnTensor out = graph.Given(graph.Queries());
  const CudnnTensor lse = graph.Given(graph.rows(), CUDNN_DATA_FLOAT);
  const CudnnTensor dout = graph.Given(graph.Queries());
  const CudnnTensor dq = graph.Given(graph.Queries(strides.dq));
  const CudnnTensor dk = graph.Given(graph.Keys(strides.dk));
  const CudnnTensor dv = graph.Given(graph.Keys(strides.dv));
  const CudnnTensor delta = graph.Given(graph.rows(), CUDNN_DATA_FLOAT);

  // delta = rowsum(dO ∘ O). The fused kernel is found with a factor, that of dropout.
  const CudnnTensor products = graph.Made(CUDNN_POINTWISE_MUL, graph.Queries(), dout, out);
  graph.Pointwise(CUDNN_POINTWISE_MUL, graph.Reduced(CUDNN_REDUCE_TENSOR_ADD, products),
                  graph.Constant(1), delta);
  // P = exp(scale Q Kᵀ - lse); dV = Pᵀ dO
  const CudnnTensor scores = graph.Scaled(graph.Product(q, k));
  const CudnnTensor below = graph.Made(CUDNN_POINTWISE_SUB, graph.scores(), scores, lse);
  const CudnnTensor p = graph.Made(CUDNN_POINTWISE_EXP, graph.scores(), graph.Masked(below));
  graph.KeyGradient(graph.Transposed(p), dout, dv);
  // dS = scale P ∘ (dO Vᵀ - delta); dK = dSᵀ Q
  const CudnnTensor dp =
      graph.Made(CUDNN_POINTWISE_SUB, graph.scores(), graph.Product(dout, v), delta);
  const CudnnTensor ds = graph.Scaled(graph.Made(CUDNN_POINTWISE_MUL, graph.scores(), dp, p));
  graph.KeyGradient(graph.Transposed(ds), q, dk);
  // dQ = dS K: straight where the bits are to repeat, which takes all dS through memory; else
  // summed up in f32 in the order of arrival.
  const CudnnTensor k_rows = graph.Virtual(graph.Keys(strides.k), CUDNN_DATA_BFLOAT16);
  graph.Reshape(k, k_rows);
  CudnnTensor dq_sums = 0;
  if (is_deterministic) {
    graph.Matmul(ds, k_rows, dq);
  } else {
    dq_sums =
        graph.Given(Contiguous({spec.batch, spec.num_heads, spec.query_length, spec.head_dim}),
                    CUDNN_DATA_FLOAT);
    graph.Matmul(ds, k_rows, dq_sums);
    graph.Pointwise(CUDNN_POINTWISE_IDENTITY, dq_sums, dq);
  }

  const int64_t most_workspace_bytes =
      CudnnBackwardWorkspaceBytes(spec) - LayOutCudnnBackward(spec).library_at;
  return {.q = q,
          .k = k,
          .v = v,
          .out = out,
          .lse = lse,
          .dout = dout,
          .dq = dq,
          .dk = dk,
          .dv = dv,
          .delta = delta,
          .dq_sums = dq_sums,
          .plan = graph.MakePlan(target, {.is_deterministic = is_deterministic,
                                          .most_workspace_bytes = most_workspace_bytes})};
}

}  // namespace cadmus::cuda
