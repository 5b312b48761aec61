// SPDX-License-Identifier: Apache-2.0
// AttentionLayer: fused QKV projection, RoPE, grouped-query attention, output projection; without
// norm and residual. Letters: B rows, S tokens per row, T = B·S, M model width, H query heads, K
// key/value heads, D head dim, N = H + 2K heads side by side: queries, keys, values.
#pragma once

#include "kernels/ops/attention.h"
#include "models/layers/linear.h"
#include "models/layers/rope_tables.h"
#include "runtime/nn/module.h"

namespace cadmus {

struct AttentionShape {
  int64_t model_width = 0, num_heads = 0, num_kv_heads = 0, head_dim = 0;
};

class AttentionLayer {
 public:
  struct Saved {
    Tensor x_TM;       // weight-backward
    Tensor qkv_BSND;   // input-backward; after RoPE
    Tensor out_TC;     // both; C = H·D
    Tensor lse_BHS;    // input-backward
    Tensor dqkv_BSND;  // from input- to weight-backward
  };

  // `block` is the index in the KV cache. `rope` must outlive the layer.
  AttentionLayer(const std::string& name, const AttentionShape& shape, double initial_std,
                 double initial_std_out, const RopeTables& rope, int64_t block);

  void VisitParameters(const std::function<void(Parameter&)>& visit);

  // x_TM is kept in `saved` (training); y_TM is new.
  Tensor Forward(ForwardContext& context, Saved& saved, Tensor x_TM);
  // dy_TM must live until BackwardWeight.
  Tensor BackwardInput(BackwardContext& context, Saved& saved, const ConstTensorView& dy_TM);
  void BackwardWeight(BackwardContext& context, Saved& saved, const ConstTensorView& dy_TM);

 private:
  const AttentionPlan& PlanFor(const AttentionSpec& spec, Stream& stream);
  AttentionSpec SpecFor(int64_t batch, int64_t query_length, int64_t key_length, DType dtype) const;
  void Rotate(const TensorView& qkv_BSND, const ConstTensorView& positions_BS,
              RopeDirection direction, Stream& stream) const;

  AttentionShape shape_;
  const RopeTables& rope_;
  int64_t block_;
  Parameter qkv_weight_;
  Parameter out_weight_;
  Linear qkv_;
  Linear out_;
  std::vector<std::shared_ptr<const AttentionPlan>> plans_;  // shared by contract (MakePlan)
};

}  // namespace cadmus
