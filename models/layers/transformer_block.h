// SPDX-License-Identifier: Apache-2.0
// TransformerBlock: the pre-norm residual block of all families.
//
//   h = x + dropout(attention(norm(x)));   y = h + dropout(mlp(norm(h)))
//
// Attention and feed-forward are tensor-parallel regions; norms, dropouts and residuals work on the
// outer rows (runtime/parallel/tensor). With sequence parallel the block keeps the outer rows of
// what the regions read, 1/tp of them, and gathers them again in the weight-backward; the gathered
// gradients of what the regions gave stay from the input- to the weight-backward, where they weigh
// no more than without sequence parallel. With one rank the segments that communicate do nothing.
// Letters: T tokens, outer or inner, M model width.
#pragma once

#include "kernels/ops/dropout.h"
#include "models/layers/attention.h"
#include "models/layers/mlp.h"
#include "models/layers/norm.h"
#include "runtime/nn/module.h"
#include "runtime/parallel/tensor/tensor_parallel.h"

namespace cadmus {

struct TransformerBlockSpec {
  NormSpec norm;
  AttentionLayerSpec attention;  // its `block` is set by the block itself
  MlpSpec mlp;
  double dropout = 0;  // of both residual sites
  // Norms, the attention core and the activation function run again in the input-backward, so that
  // x, h, qkv and what the activation function
  // reads are all that is kept until then. Not a bit changes. Source: Korthikanti
  // et al., 2205.05198 §5, extended to norms and activation functions.
  bool selective_recompute = false;
};

class TransformerBlock final : public Module {
 public:
  // "blocks.3" for index 3. `rope`, null where positions are learned, and `parallel` must outlive
  // the block. In inference with more than one tensor-parallel rank its passes throw kConfig.
  TransformerBlock(int64_t index, const TransformerBlockSpec& spec, const RopeTables* rope,
                   const TensorParallel& parallel);

  void VisitParameters(const std::function<void(Parameter&)>& visit) override;
  std::unique_ptr<Saved> NewSaved() const override;
  std::span<const ForwardSegment> forward_segments() const override;
  std::span<const BackwardSegment> backward_input_segments() const override;
  std::span<const BackwardSegment> backward_weight_segments() const override;

 private:
  struct Branch;
  struct BlockSaved;

  // The function of a segment: a method on the saved state, or on one of its branches.
  template <auto kMethod>
  static void Run(Module& self, auto& context, Saved& saved);
  template <auto kMethod, auto kBranch>
  static void RunOn(Module& self, auto& context, Saved& saved);

  void NormX(ForwardContext& context, BlockSaved& saved);
  void ForwardAttention(ForwardContext& context, BlockSaved& saved);
  void NormH(ForwardContext& context, BlockSaved& saved);
  void ForwardMlp(ForwardContext& context, BlockSaved& saved);
  void AddMlp(ForwardContext& context, BlockSaved& saved);

  void ReceiveDy(BackwardContext& context, BlockSaved& saved);
  void BackwardMlpInput(BackwardContext& context, BlockSaved& saved);
  void BackwardNormH(BackwardContext& context, BlockSaved& saved);
  void ReceiveDh(BackwardContext& context, BlockSaved& saved);
  void BackwardAttentionInput(BackwardContext& context, BlockSaved& saved);
  void BackwardNormX(BackwardContext& context, BlockSaved& saved);
  void BackwardMlpWeight(BackwardContext& context, BlockSaved& saved);
  void BackwardAttentionWeight(BackwardContext& context, BlockSaved& saved);

  // What communicates.
  void Gather(ForwardContext& context, Branch& branch);
  void GatherGradient(BackwardContext& context, Branch& branch);
  void GatherAgain(BackwardContext& context, Branch& branch);
  void SumOutput(ForwardContext& context, BlockSaved& saved);
  void SumGradient(BackwardContext& context, BlockSaved& saved);

  void RunDropout(const auto& context, DropoutArgs args) const;
  static void NormAgain(BackwardContext& context, const Norm& norm, Branch& branch);
  void ReceiveGradient(BackwardContext& context, Branch& branch, Tensor dout_TM,
                       uint64_t site) const;
  static void BackwardNorm(BackwardContext& context, Norm& norm, Branch& branch,
                           const TensorView& ds_TM);

  TransformerBlockSpec spec_;
  const TensorParallel& parallel_;
  uint64_t attention_site_;
  uint64_t mlp_site_;
  Norm attention_norm_;
  AttentionLayer attention_;
  Norm mlp_norm_;
  MlpLayer mlp_;
};

}  // namespace cadmus
