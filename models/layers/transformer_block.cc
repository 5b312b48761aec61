// SPDX-License-Identifier: Apache-2.0
#include "models/layers/transformer_block.h"

#include <array>

#include "kernels/base/philox.h"
#include "kernels/ops/check.h"
#include "runtime/parallel/tensor/boundary.h"

namespace cadmus {

// A norm, a parallel region, and its sum into the residual stream.
struct TransformerBlock::Branch {
  Tensor s_TM;  // input-backward; what is normalised: x or h
  NormStatistics statistics;
  Tensor normed_TM;    // weight-backward
  Tensor gathered_TM;  // from one segment to the next; empty: normed_TM serves
  Tensor dout_TM;      // from input- to weight-backward: the gradient of the sum
  // The same behind dropout and gathered, as the region's weights need it; empty: dout_TM serves.
  Tensor dlayer_TM;

  // What NormAgain makes again.
  void DropNorm() {
    statistics = NormStatistics();
    normed_TM.Reset();
  }

  const TensorView& input_TM() const { return gathered_TM ? gathered_TM.view() : normed_TM.view(); }
  const TensorView& gradient_TM() const { return dlayer_TM ? dlayer_TM.view() : dout_TM.view(); }
};

struct TransformerBlock::BlockSaved : Saved {
  void VisitTensors(const std::function<void(Tensor&)>& visit) override {
    for (Branch* branch : {&attention_branch, &mlp_branch}) {
      NormStatistics& statistics = branch->statistics;
      for (Tensor* tensor :
           {&branch->s_TM, &statistics.rstd_T, &statistics.mean_T, &branch->normed_TM}) {
        visit(*tensor);
      }
    }
    AttentionLayer::NormedHeads& heads = attention.normed;
    for (Tensor* tensor : {&attention.qkv_BSND, &heads.qk_BSPD, &heads.statistics.q_rstd_TH,
                           &heads.statistics.k_rstd_TK, &attention.out_TC, &attention.lse_BHS,
                           &mlp.inner_TG, &mlp.hidden_TF}) {
      visit(*tensor);
    }
  }

  Branch attention_branch, mlp_branch;
  AttentionLayer::Saved attention;
  MlpLayer::Saved mlp;
};

namespace {

Tensor NewLike(const ConstTensorView& x_TM, MemoryCategory category, Stream& stream) {
  return Tensor(x_TM.dtype(), x_TM.shape(), category, stream);
}

AttentionLayerSpec OfBlock(AttentionLayerSpec spec, int64_t index) {
  spec.block = index;
  return spec;
}

}  // namespace

TransformerBlock::TransformerBlock(int64_t index, const TransformerBlockSpec& spec,
                                   const RopeTables* rope, const TensorParallel& parallel)
    : spec_(spec),
      parallel_(parallel),
      attention_site_(SiteOf(StrCat("blocks.", index, ".attention.dropout"))),
      mlp_site_(SiteOf(StrCat("blocks.", index, ".mlp.dropout"))),
      attention_norm_(StrCat("blocks.", index, ".attention_norm"), spec.norm),
      attention_(StrCat("blocks.", index, ".attention"), OfBlock(spec.attention, index), rope,
                 parallel),
      mlp_norm_(StrCat("blocks.", index, ".mlp_norm"), spec.norm),
      mlp_(StrCat("blocks.", index, ".mlp"), spec.mlp, parallel) {}

void TransformerBlock::VisitParameters(const std::function<void(Parameter&)>& visit) {
  attention_norm_.VisitParameters(visit);
  attention_.VisitParameters(visit);
  mlp_norm_.VisitParameters(visit);
  mlp_.VisitParameters(visit);
}

std::unique_ptr<Saved> TransformerBlock::NewSaved() const { return std::make_unique<BlockSaved>(); }

template <auto kMethod>
void TransformerBlock::Run(Module& self, auto& context, Saved& saved) {
  (static_cast<TransformerBlock&>(self).*kMethod)(context, static_cast<BlockSaved&>(saved));
}

template <auto kMethod, auto kBranch>
void TransformerBlock::RunOn(Module& self, auto& context, Saved& saved) {
  (static_cast<TransformerBlock&>(self).*kMethod)(context,
                                                  static_cast<BlockSaved&>(saved).*kBranch);
}

std::span<const ForwardSegment> TransformerBlock::forward_segments() const {
  using Self = TransformerBlock;
  using enum SegmentKind;
  static constexpr std::array<ForwardSegment, 9> kSegments = {{
      {kCompute, "attention norm", &Run<&Self::NormX>},
      {kCommunicate, "attention in", &RunOn<&Self::Gather, &BlockSaved::attention_branch>},
      {kCompute, "attention", &Run<&Self::ForwardAttention>},
      {kCommunicate, "attention out", &Run<&Self::SumOutput>},
      {kCompute, "mlp norm", &Run<&Self::NormH>},
      {kCommunicate, "mlp in", &RunOn<&Self::Gather, &BlockSaved::mlp_branch>},
      {kCompute, "mlp", &Run<&Self::ForwardMlp>},
      {kCommunicate, "mlp out", &Run<&Self::SumOutput>},
      {kCompute, "residual", &Run<&Self::AddMlp>},
  }};
  return kSegments;
}

std::span<const BackwardSegment> TransformerBlock::backward_input_segments() const {
  using Self = TransformerBlock;
  using enum SegmentKind;
  static constexpr std::array<BackwardSegment, 10> kSegments = {{
      {kCompute, "residual", &Run<&Self::ReceiveDy>},
      {kCommunicate, "mlp out", &RunOn<&Self::GatherGradient, &BlockSaved::mlp_branch>},
      {kCompute, "mlp", &Run<&Self::BackwardMlpInput>},
      {kCommunicate, "mlp in", &Run<&Self::SumGradient>},
      {kCompute, "mlp norm", &Run<&Self::BackwardNormH>},
      {kCompute, "attention residual", &Run<&Self::ReceiveDh>},
      {kCommunicate, "attention out", &RunOn<&Self::GatherGradient, &BlockSaved::attention_branch>},
      {kCompute, "attention", &Run<&Self::BackwardAttentionInput>},
      {kCommunicate, "attention in", &Run<&Self::SumGradient>},
      {kCompute, "attention norm", &Run<&Self::BackwardNormX>},
  }};
  return kSegments;
}

std::span<const BackwardSegment> TransformerBlock::backward_weight_segments() const {
  using Self = TransformerBlock;
  using enum SegmentKind;
  static constexpr std::array<BackwardSegment, 4> kSegments = {{
      {kCommunicate, "mlp in", &RunOn<&Self::GatherAgain, &BlockSaved::mlp_branch>},
      {kCompute, "mlp", &Run<&Self::BackwardMlpWeight>},
      {kCommunicate, "attention in", &RunOn<&Self::GatherAgain, &BlockSaved::attention_branch>},
      {kCompute, "attention", &Run<&Self::BackwardAttentionWeight>},
  }};
  return kSegments;
}

void TransformerBlock::Gather(ForwardContext& context, Branch& branch) {
  if (parallel_.overlaps()) return;
  branch.gathered_TM = GatherTokens(parallel_, branch.normed_TM.view(),
                                    MemoryCategory::kActivationsInput, context.stream);
}

void TransformerBlock::GatherGradient(BackwardContext& context, Branch& branch) {
  if (parallel_.overlaps()) return;
  Tensor gathered_TM = GatherTokens(parallel_, branch.gradient_TM(),
                                    MemoryCategory::kActivationsWeight, context.stream);
  if (gathered_TM) branch.dlayer_TM = std::move(gathered_TM);
}

void TransformerBlock::GatherAgain(BackwardContext& context, Branch& branch) {
  branch.gathered_TM = GatherTokens(parallel_, branch.normed_TM.view(),
                                    MemoryCategory::kActivationsWeight, context.stream);
}

void TransformerBlock::SumOutput(ForwardContext& context, BlockSaved& saved) {
  if (parallel_.overlaps()) return;
  saved.activation = LeaveParallel(parallel_, std::move(saved.activation), context.stream);
}

void TransformerBlock::SumGradient(BackwardContext& context, BlockSaved& saved) {
  if (parallel_.overlaps()) return;
  saved.activation = EnterParallelBackward(parallel_, std::move(saved.activation), context.stream);
}

// Fills in what dropout needs to know of this rank's outer rows.
void TransformerBlock::RunDropout(const auto& context, DropoutArgs args) const {
  if (args.probability > 0) {
    const TokenRange rows = parallel_.OuterTokens(context.inputs.tokens_BS.num_elements());
    args.scalars = context.scalars;
    args.row_samples_T = context.inputs.row_samples_T.Slice(0, rows.begin, rows.end);
    args.row_positions_T = context.inputs.row_positions_T.Slice(0, rows.begin, rows.end);
  }
  Dropout(args, context.stream);
}

void TransformerBlock::NormX(ForwardContext& context, BlockSaved& saved) {
  if (context.infers() && parallel_.size() > 1) {
    throw Error(
        Kind::kConfig,
        StrCat("inference on ", parallel_.size(),
               " tensor-parallel ranks is not there; load the weights with parallel.tp: 1"));
  }
  Branch& branch = saved.attention_branch;
  branch.s_TM = std::move(saved.activation);
  const TensorView& x_TM = branch.s_TM.view();
  branch.normed_TM = NewLike(x_TM, MemoryCategory::kActivationsWeight, context.stream);
  branch.statistics =
      attention_norm_.Forward({.x_TD = x_TM, .y_TD = branch.normed_TM}, context.stream);
}

void TransformerBlock::ForwardAttention(ForwardContext& context, BlockSaved& saved) {
  Branch& branch = saved.attention_branch;
  saved.activation = attention_.Forward(context, saved.attention, branch.input_TM());
  branch.gathered_TM.Reset();
  if (spec_.selective_recompute) saved.attention.DropCore();
  if (spec_.selective_recompute || !context.saves()) branch.DropNorm();
}

// `activation` is the attention's output, still without residual: the norm adds it.
void TransformerBlock::NormH(ForwardContext& context, BlockSaved& saved) {
  Branch& branch = saved.mlp_branch;
  branch.s_TM = std::move(saved.activation);
  const TensorView& h_TM = branch.s_TM.view();
  if (spec_.dropout > 0 && context.drops_out()) {
    RunDropout(context,
               {.x_TD = h_TM, .probability = spec_.dropout, .site = attention_site_, .y_TD = h_TM});
  }
  branch.normed_TM = NewLike(h_TM, MemoryCategory::kActivationsWeight, context.stream);
  branch.statistics = mlp_norm_.Forward({.x_TD = h_TM,
                                         .residual_TD = saved.attention_branch.s_TM,
                                         .sum_TD = h_TM,
                                         .y_TD = branch.normed_TM},
                                        context.stream);
  if (!context.saves()) saved.attention_branch = Branch();
}

void TransformerBlock::ForwardMlp(ForwardContext& context, BlockSaved& saved) {
  Branch& branch = saved.mlp_branch;
  saved.activation = mlp_.Forward(context, saved.mlp, branch.input_TM());
  branch.gathered_TM.Reset();
  if (spec_.selective_recompute) saved.mlp.hidden_TF.Reset();
  if (spec_.selective_recompute || !context.saves()) branch.DropNorm();
}

void TransformerBlock::AddMlp(ForwardContext& context, BlockSaved& saved) {
  const TensorView& y_TM = saved.activation.view();
  RunDropout(context, {.x_TD = y_TM,
                       .residual_TD = saved.mlp_branch.s_TM,
                       .probability = context.drops_out() ? spec_.dropout : 0,
                       .site = mlp_site_,
                       .y_TD = y_TM});
  if (!context.saves()) saved.mlp_branch = Branch();
}

// With the op and the bits of the forward pass: that one, too, normalised the stored sum.
void TransformerBlock::NormAgain(BackwardContext& context, const Norm& norm, Branch& branch) {
  const TensorView& s_TM = branch.s_TM.view();
  branch.normed_TM = NewLike(s_TM, MemoryCategory::kActivationsWeight, context.stream);
  branch.statistics = norm.Forward({.x_TD = s_TM, .y_TD = branch.normed_TM}, context.stream);
}

// Takes over the gradient of a branch's sum, and takes it through the branch's dropout.
void TransformerBlock::ReceiveGradient(BackwardContext& context, Branch& branch, Tensor dout_TM,
                                       uint64_t site) const {
  branch.dout_TM = std::move(dout_TM);
  if (spec_.dropout == 0) return;
  branch.dlayer_TM = NewLike(branch.dout_TM, MemoryCategory::kActivationsWeight, context.stream);
  RunDropout(context, {.x_TD = branch.dout_TM,
                       .probability = spec_.dropout,
                       .site = site,
                       .y_TD = branch.dlayer_TM});
}

// Through the norm of a branch, in place: ds is dnormed on entry.
void TransformerBlock::BackwardNorm(BackwardContext& context, Norm& norm, Branch& branch,
                                    const TensorView& ds_TM) {
  norm.Backward({.s_TD = branch.s_TM, .dy_TD = ds_TM, .dsum_TD = branch.dout_TM, .ds_TD = ds_TM},
                branch.statistics, context);
  branch.s_TM.Reset();
  branch.statistics = NormStatistics();
  if (branch.dlayer_TM) branch.dout_TM.Reset();
}

void TransformerBlock::ReceiveDy(BackwardContext& context, BlockSaved& saved) {
  if (spec_.selective_recompute) {
    NormAgain(context, mlp_norm_, saved.mlp_branch);
    mlp_.RecomputeHidden(context, saved.mlp);
  }
  ReceiveGradient(context, saved.mlp_branch, std::move(saved.activation), mlp_site_);
}

void TransformerBlock::BackwardMlpInput(BackwardContext& context, BlockSaved& saved) {
  saved.activation = mlp_.BackwardInput(context, saved.mlp, saved.mlp_branch.gradient_TM());
}

// After this segment `activation` is dh.
void TransformerBlock::BackwardNormH(BackwardContext& context, BlockSaved& saved) {
  BackwardNorm(context, mlp_norm_, saved.mlp_branch, saved.activation.view());
}

void TransformerBlock::ReceiveDh(BackwardContext& context, BlockSaved& saved) {
  if (spec_.selective_recompute) {
    NormAgain(context, attention_norm_, saved.attention_branch);
    attention_.RecomputeCore(context, saved.attention);
  }
  ReceiveGradient(context, saved.attention_branch, std::move(saved.activation), attention_site_);
}

void TransformerBlock::BackwardAttentionInput(BackwardContext& context, BlockSaved& saved) {
  saved.activation =
      attention_.BackwardInput(context, saved.attention, saved.attention_branch.gradient_TM());
}

void TransformerBlock::BackwardNormX(BackwardContext& context, BlockSaved& saved) {
  BackwardNorm(context, attention_norm_, saved.attention_branch, saved.activation.view());
}

void TransformerBlock::BackwardMlpWeight(BackwardContext& context, BlockSaved& saved) {
  Branch& branch = saved.mlp_branch;
  mlp_.BackwardWeight(context, saved.mlp, branch.input_TM(), branch.gradient_TM());
  branch = Branch();
}

void TransformerBlock::BackwardAttentionWeight(BackwardContext& context, BlockSaved& saved) {
  Branch& branch = saved.attention_branch;
  attention_.BackwardWeight(context, saved.attention, branch.input_TM(), branch.gradient_TM());
  branch = Branch();
}

}  // namespace cadmus
