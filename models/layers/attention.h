// SPDX-License-Identifier: Apache-2.0
// AttentionLayer: fused QKV projection, RoPE, grouped-query attention, output projection; without
// norm and residual, of the heads that this tensor-parallel rank has: some of the query heads, and
// the key/value heads that those read, which it may share with other ranks. x, y and their
// gradients are as ColumnLinear and RowLinear say. Letters: B rows, S tokens per row, T = B·S, M
// model width, H query heads, K key/value heads, D head dim, N = H + 2K heads side by side:
// queries, keys, values.
#pragma once

#include "kernels/ops/attention.h"
#include "models/layers/parallel_linear.h"
#include "models/layers/rope_tables.h"
#include "runtime/nn/module.h"

namespace cadmus {

struct AttentionShape {
  int64_t model_width = 0, num_heads = 0, num_kv_heads = 0, head_dim = 0;
};

class AttentionLayer {
 public:
  struct Saved {
    Tensor qkv_BSND;   // input-backward; after RoPE
    Tensor out_TC;     // both; C = H·D
    Tensor lse_BHS;    // input-backward
    Tensor dqkv_BSND;  // from input- to weight-backward
    Tensor dy_TM;      // the same, where dy was gathered part by part

    // What RecomputeCore makes again.
    void DropCore() {
      out_TC.Reset();
      lse_BHS.Reset();
    }
  };

  // `shape` is of all ranks. `block` is the index in the KV cache. `rope` and `parallel` must
  // outlive the layer.
  AttentionLayer(const std::string& name, const AttentionShape& shape, double initial_std,
                 double initial_std_out, const RopeTables& rope, int64_t block,
                 const TensorParallel& parallel);

  void VisitParameters(const std::function<void(Parameter&)>& visit);

  // y_TM is new. BackwardWeight takes the same x_TM and dy_TM as the passes before, but inner.
  Tensor Forward(ForwardContext& context, Saved& saved, const ConstTensorView& x_TM);
  // Output and log-sum-exp of the attention core, from qkv alone: the bits of the forward pass.
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
  AttentionSpec SpecFor(int64_t batch, int64_t query_length, int64_t key_length, DType dtype) const;
  void Rotate(const TensorView& qkv_BSND, const ConstTensorView& positions_BS,
              RopeDirection direction, Stream& stream) const;

  AttentionShape shape_;  // of this rank's heads
  const RopeTables& rope_;
  int64_t block_;
  Parameter qkv_weight_;
  Parameter out_weight_;
  ColumnLinear qkv_;
  RowLinear out_;
  std::vector<std::shared_ptr<const AttentionPlan>> plans_;  // shared by contract (MakePlan)
};

}  // namespace cadmus
