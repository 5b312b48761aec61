// SPDX-License-Identifier: Apache-2.0
// TransformerBlock: the pre-norm residual block of the Llama family.
//
//   h = x + dropout(attention(norm(x)));   y = h + dropout(mlp(norm(h)))
//
// Letters: T tokens, M model width.
#pragma once

#include "models/layers/attention.h"
#include "models/layers/mlp.h"
#include "models/layers/norm.h"
#include "runtime/nn/module.h"

namespace cadmus {

struct TransformerBlockSpec {
  AttentionShape attention;
  int64_t hidden_width = 0;
  double norm_epsilon = 1e-5;
  double dropout = 0;  // of both residual sites
  double initial_std = 0.02;
  double initial_std_out = 0.02;  // of the two projections that write to the residual stream
};

class TransformerBlock final : public Module {
 public:
  // "blocks.3" for index 3. `rope` must outlive the block.
  TransformerBlock(int64_t index, const TransformerBlockSpec& spec, const RopeTables& rope);

  void VisitParameters(const std::function<void(Parameter&)>& visit) override;
  std::unique_ptr<Saved> NewSaved() const override;
  std::span<const ForwardSegment> forward_segments() const override;
  std::span<const BackwardSegment> backward_input_segments() const override;
  std::span<const BackwardSegment> backward_weight_segments() const override;

 private:
  struct BlockSaved;

  void ForwardAttention(ForwardContext& context, BlockSaved& saved);
  void ForwardMlp(ForwardContext& context, BlockSaved& saved);
  void BackwardMlpInput(BackwardContext& context, BlockSaved& saved);
  void BackwardAttentionInput(BackwardContext& context, BlockSaved& saved);
  void BackwardMlpWeight(BackwardContext& context, BlockSaved& saved);
  void BackwardAttentionWeight(BackwardContext& context, BlockSaved& saved);
  Tensor BackwardDropout(BackwardContext& context, const ConstTensorView& dy_TM,
                         uint64_t site) const;

  TransformerBlockSpec spec_;
  uint64_t attention_site_;
  uint64_t mlp_site_;
  Norm attention_norm_;
  AttentionLayer attention_;
  Norm mlp_norm_;
  MlpLayer mlp_;
};

}  // namespace cadmus
