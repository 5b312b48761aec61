// SPDX-License-Identifier: Apache-2.0
// AttentionLayer: fused QKV projection, QK-norm, RoPE, grouped-query attention, output projection,
// of which a family leaves some out; without norm and residual, of the heads that this
// tensor-parallel rank has: some of the query heads, and the key/value heads that those read, which
// it may share with other ranks. x, y and their gradients are as ColumnLinear and RowLinear say.
// Letters: B rows, S tokens per row, T = B·S, M model width, H query heads, K key/value heads, D
// head dim, N = H + 2K heads side by side: queries, keys, values; P = H + K, of queries and keys.
#pragma once

#include <optional>

#include "kernels/ops/attention.h"
#include "models/layers/parallel_linear.h"
#include "models/layers/qk_norm.h"
#include "models/layers/rope_tables.h"
#include "runtime/nn/module.h"

namespace cadmus {

struct AttentionLayerSpec {
  int64_t model_width = 0, num_heads = 0, num_kv_heads = 0, head_dim = 0;  // of all ranks
  int64_t window = 0;  // tokens that a token sees, itself included; 0: all before it
  bool qkv_bias = false, out_bias = false;
  bool qk_norm = false;
  double norm_epsilon = 1e-5;  // of qk_norm
  double initial_std = 0.02;
  double initial_std_out = 0.02;  // of the output projection
  int64_t block = 0;              // index in the KV cache
};

class AttentionLayer {
 public:
  // The query and key heads as attention reads them, where they are not those of qkv.
  struct NormedHeads {
    Tensor qk_BSPD;  // input-backward; after RoPE
    QkNorm::Statistics statistics;
  };
  struct Saved {
    Tensor qkv_BSND;     // input-backward; after RoPE, or, with QK-norm, before it
    NormedHeads normed;  // of QK-norm
    Tensor out_TC;       // both; C = H·D
    Tensor lse_BHS;      // input-backward
    Tensor dqkv_BSND;    // from input- to weight-backward
    Tensor dy_TM;        // the same, where dy was gathered part by part

    // What RecomputeCore makes again.
    void DropCore() {
      normed = NormedHeads();
      out_TC.Reset();
      lse_BHS.Reset();
    }
  };

  // `rope`, null where positions are learned, and `parallel` must outlive the layer.
  AttentionLayer(const std::string& name, const AttentionLayerSpec& spec, const RopeTables* rope,
                 const TensorParallel& parallel);

  void VisitParameters(const std::function<void(Parameter&)>& visit);

  // y_TM is new. BackwardWeight takes the same x_TM and dy_TM as the passes before, but inner.
  Tensor Forward(ForwardContext& context, Saved& saved, const ConstTensorView& x_TM);
  // Normed heads, output and log-sum-exp of the attention core, from qkv alone: the bits of the
  // forward pass.
  void RecomputeCore(BackwardContext& context, Saved& saved);
  Tensor BackwardInput(BackwardContext& context, Saved& saved, const ConstTensorView& dy_TM);
  void BackwardWeight(BackwardContext& context, Saved& saved, const ConstTensorView& x_TM,
                      const ConstTensorView& dy_TM);

 private:
  struct CoreInputs {
    ConstTensorView q_BSHD, k_BTKD, v_BTKD;
    ConstTensorView documents_BS;  // absent: one document a row
    int64_t query_offset = 0;
    int64_t key_capacity = 0;  // what the plan is for: at least the keys given
  };
  struct CoreOutputs {
    Tensor out_TC, lse_BHS;
  };
  CoreOutputs RunCore(const CoreInputs& inputs, Stream& stream);

  const AttentionPlan& PlanFor(const AttentionSpec& spec, Stream& stream);
  AttentionSpec SpecFor(const CoreInputs& inputs) const;
  // Query, key and value heads of qkv, or, where they are there, normed ones.
  CoreInputs HeadsOf(const ConstTensorView& qkv_BSND, const NormedHeads& normed) const;
  void AppendToCache(const KvCache& cache, CoreInputs& inputs, Stream& stream) const;
  // QK-norm, of a projection that stays as it is, into heads of their own; else nothing.
  NormedHeads Normalise(const ConstTensorView& qkv_BSND, Stream& stream) const;
  void Rotate(const TensorView& qk_BSPD, const ConstTensorView& positions_BS,
              RopeDirection direction, Stream& stream) const;
  int64_t NumQkHeads() const { return spec_.num_heads + spec_.num_kv_heads; }

  AttentionLayerSpec spec_;  // of this rank's heads
  const RopeTables* rope_;
  LinearParameters qkv_parameters_;
  LinearParameters out_parameters_;
  ColumnLinear qkv_;
  std::optional<QkNorm> qk_norm_;
  RowLinear out_;
  std::vector<std::shared_ptr<const AttentionPlan>> plans_;  // shared by contract (MakePlan)
};

}  // namespace cadmus
