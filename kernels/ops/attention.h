// SPDX-License-Identifier: Apache-2.0
// Attention, exact and blocked: memory is linear in the sequence, never [Sq, Sk].
//
//   P[q, k] = softmax over visible k of scale · Q[q] · K[k];   O = P V
//   lse[q] = log Σ_k exp(scale · Q[q] · K[k])
//
// Query head h reads key/value head h / (H / K) (grouped-query attention). Key k is visible to
// query q when
//   causal: k + key_offset ≤ q + query_offset        (kFull: always)
//   with a sliding window: q + query_offset - (k + key_offset) < window
//   and, when documents are given, document of q = document of k (packed sequences).
// A query that sees no key gets O = 0, lse = -inf, and no gradient.
// Backward recomputes P from lse: dV = Pᵀ dO; dP = dO Vᵀ; dS = P ∘ (dP - rowsum(dO ∘ O));
// dQ = scale dS K; dK = scale dSᵀ Q. P then carries the rounding of lse: relative |lse| · ε.
// Source: Dao et al., FlashAttention (2205.14135) §3.1; Dao, FlashAttention-2 (2307.08691) §3.1.
// Deterministic: the order of sums depends on shapes only (kFast may give that up).
//
// Letters: B batch, S query length, T key length, H query heads, K key/value heads, D head dim.
#pragma once

#include <memory>
#include <string>

#include "kernels/device/device.h"
#include "kernels/device/trace.h"
#include "kernels/ops/gemm.h"

namespace cadmus {

enum class AttentionMask : uint8_t { kCausal, kFull };

struct AttentionSpec {
  static constexpr const char* kName = "Attention plan";
  int64_t batch = 0;
  int64_t query_length = 0, key_length = 0;  // upper bounds; the views say how long this call is
  int64_t num_heads = 0, num_kv_heads = 0, head_dim = 0;
  DType dtype = DType::kNone;
  AttentionMask mask = AttentionMask::kCausal;
  int64_t window = 0;  // keys that a query sees at most, itself included; 0: all; kCausal only
  double scale = 1.0;  // usually 1 / sqrt(head_dim)
  Reproducibility reproducibility = Reproducibility::kBitwise;
  bool has_documents = false;  // calls may give documents

  // Elements between the tokens of a view; 0: contiguous. Any plan runs with any strides, but some
  // kernels only with those that were declared.
  struct TokenStrides {
    int64_t q = 0, k = 0, v = 0, dq = 0, dk = 0, dv = 0;
    friend bool operator==(const TokenStrides&, const TokenStrides&) = default;
  };
  TokenStrides token_strides;
  // One of kernels/cuda/kernel_states.txt, asked for by name; empty: the chooser's. Where it has no
  // plan for this spec, MakePlan throws kConfig. Other devices have one kernel.
  std::string gpu_kernel;

  friend bool operator==(const AttentionSpec&, const AttentionSpec&) = default;
};

struct AttentionPlan {
  virtual ~AttentionPlan() = default;
  AttentionSpec spec;
  std::string kernel;
  int64_t forward_workspace_bytes = 0;
  int64_t backward_workspace_bytes = 0;
  bool capturable = false;
};

// The views q, k, v, and their gradients may be strided (parts of a fused tensor): only the last
// dim must be contiguous.
struct AttentionForwardArgs {
  static constexpr const char* kName = "AttentionForward";
  const AttentionPlan* plan = nullptr;
  ConstTensorView q_BSHD, k_BTKD, v_BTKD;
  ConstTensorView query_documents_BS,
      key_documents_BT;  // I32, non-decreasing along the sequence; both or none
  int64_t query_offset = 0,
          key_offset = 0;  // global position of the first query and of the first key
  TensorView out_BSHD;
  TensorView lse_BHS;  // statistics dtype; natural logarithm
  TensorView workspace;

  template <class V>
  void Visit(V& v) const {
    v.Read("q", q_BSHD);
    v.Read("k", k_BTKD);
    v.Read("v", v_BTKD);
    v.Read("query_documents", query_documents_BS);
    v.Read("key_documents", key_documents_BT);
    v.Write("out", out_BSHD);
    v.Write("lse", lse_BHS);
    v.ReadWrite("workspace", workspace);
  }
};

struct AttentionBackwardArgs {
  static constexpr const char* kName = "AttentionBackward";
  const AttentionPlan* plan = nullptr;
  ConstTensorView q_BSHD, k_BTKD, v_BTKD;
  ConstTensorView query_documents_BS, key_documents_BT;
  int64_t query_offset = 0, key_offset = 0;
  ConstTensorView out_BSHD, lse_BHS, dout_BSHD;
  TensorView dq_BSHD, dk_BTKD, dv_BTKD;  // overwritten
  TensorView workspace;

  template <class V>
  void Visit(V& v) const {
    v.Read("q", q_BSHD);
    v.Read("k", k_BTKD);
    v.Read("v", v_BTKD);
    v.Read("query_documents", query_documents_BS);
    v.Read("key_documents", key_documents_BT);
    v.Read("out", out_BSHD);
    v.Read("lse", lse_BHS);
    v.Read("dout", dout_BSHD);
    v.Write("dq", dq_BSHD);
    v.Write("dk", dk_BTKD);
    v.Write("dv", dv_BTKD);
    v.ReadWrite("workspace", workspace);
  }
};

std::shared_ptr<const AttentionPlan> MakePlan(Device& device, const AttentionSpec& spec);
void AttentionForward(const AttentionForwardArgs& args, Stream& stream);
void AttentionBackward(const AttentionBackwardArgs& args, Stream& stream);
// 4 · B · H · Sq · Sk · D over the visible pairs (half of the square when causal, less what a
// window hides; documents are not counted, their bounds live on the device); backward 2.5 times
// that.
OpCost Cost(const AttentionForwardArgs& args);
OpCost Cost(const AttentionBackwardArgs& args);

}  // namespace cadmus
