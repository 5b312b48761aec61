// SPDX-License-Identifier: Apache-2.0
#include "models/layers/transformer_block.h"

#include <array>

#include "kernels/base/philox.h"
#include "kernels/ops/check.h"
#include "kernels/ops/dropout.h"

namespace cadmus {

struct TransformerBlock::BlockSaved : Saved {
  Tensor x_TM, attention_rstd_T;  // input-backward
  AttentionLayer::Saved attention;
  Tensor h_TM, mlp_rstd_T;  // input-backward
  MlpLayer::Saved mlp;
  Tensor dy_TM, dh_TM;            // from input- to weight-backward
  Tensor dmlp_TM, dattention_TM;  // the same behind the dropouts, where there are any
};

namespace {

Tensor NewLike(const ConstTensorView& x_TM, MemoryCategory category, Stream& stream) {
  return Tensor(x_TM.dtype(), x_TM.shape(), category, stream);
}

Tensor NewStatistics(const ConstTensorView& x_TM, Stream& stream) {
  return Tensor(StatisticsDType(x_TM.dtype()), {x_TM.dim(0)}, MemoryCategory::kActivationsInput,
                stream);
}

}  // namespace

TransformerBlock::TransformerBlock(int64_t index, const TransformerBlockSpec& spec,
                                   const RopeTables& rope)
    : spec_(spec),
      attention_site_(SiteOf(StrCat("blocks.", index, ".attention.dropout"))),
      mlp_site_(SiteOf(StrCat("blocks.", index, ".mlp.dropout"))),
      attention_norm_(StrCat("blocks.", index, ".attention_norm"), spec.attention.model_width,
                      spec.norm_epsilon),
      attention_(StrCat("blocks.", index, ".attention"), spec.attention, spec.initial_std,
                 spec.initial_std_out, rope, index),
      mlp_norm_(StrCat("blocks.", index, ".mlp_norm"), spec.attention.model_width,
                spec.norm_epsilon),
      mlp_(StrCat("blocks.", index, ".mlp"), spec.attention.model_width, spec.hidden_width,
           spec.initial_std, spec.initial_std_out) {}

void TransformerBlock::VisitParameters(const std::function<void(Parameter&)>& visit) {
  visit(attention_norm_.weight());
  attention_.VisitParameters(visit);
  visit(mlp_norm_.weight());
  mlp_.VisitParameters(visit);
}

std::unique_ptr<Saved> TransformerBlock::NewSaved() const { return std::make_unique<BlockSaved>(); }

std::span<const ForwardSegment> TransformerBlock::forward_segments() const {
  static constexpr std::array<ForwardSegment, 2> kSegments = {{
      {SegmentKind::kCompute, "attention",
       [](Module& self, ForwardContext& context, Saved& saved) {
         static_cast<TransformerBlock&>(self).ForwardAttention(context,
                                                               static_cast<BlockSaved&>(saved));
       }},
      {SegmentKind::kCompute, "mlp",
       [](Module& self, ForwardContext& context, Saved& saved) {
         static_cast<TransformerBlock&>(self).ForwardMlp(context, static_cast<BlockSaved&>(saved));
       }},
  }};
  return kSegments;
}

std::span<const BackwardSegment> TransformerBlock::backward_input_segments() const {
  static constexpr std::array<BackwardSegment, 2> kSegments = {{
      {SegmentKind::kCompute, "mlp",
       [](Module& self, BackwardContext& context, Saved& saved) {
         static_cast<TransformerBlock&>(self).BackwardMlpInput(context,
                                                               static_cast<BlockSaved&>(saved));
       }},
      {SegmentKind::kCompute, "attention",
       [](Module& self, BackwardContext& context, Saved& saved) {
         static_cast<TransformerBlock&>(self).BackwardAttentionInput(
             context, static_cast<BlockSaved&>(saved));
       }},
  }};
  return kSegments;
}

std::span<const BackwardSegment> TransformerBlock::backward_weight_segments() const {
  static constexpr std::array<BackwardSegment, 2> kSegments = {{
      {SegmentKind::kCompute, "mlp",
       [](Module& self, BackwardContext& context, Saved& saved) {
         static_cast<TransformerBlock&>(self).BackwardMlpWeight(context,
                                                                static_cast<BlockSaved&>(saved));
       }},
      {SegmentKind::kCompute, "attention",
       [](Module& self, BackwardContext& context, Saved& saved) {
         static_cast<TransformerBlock&>(self).BackwardAttentionWeight(
             context, static_cast<BlockSaved&>(saved));
       }},
  }};
  return kSegments;
}

// After this segment `activation` is the attention's output, still without residual: the next
// segment adds it inside its norm.
void TransformerBlock::ForwardAttention(ForwardContext& context, BlockSaved& saved) {
  Stream& stream = context.stream;
  saved.x_TM = std::move(saved.activation);
  const TensorView& x_TM = saved.x_TM.view();
  saved.attention_rstd_T = NewStatistics(x_TM, stream);
  Tensor normed_TM = NewLike(x_TM, MemoryCategory::kActivationsWeight, stream);
  attention_norm_.Forward({.x_TD = x_TM, .y_TD = normed_TM, .rstd_T = saved.attention_rstd_T},
                          stream);
  Tensor a_TM = attention_.Forward(context, saved.attention, std::move(normed_TM));
  if (spec_.dropout > 0 && context.trains()) {
    Dropout({.x_TD = a_TM,
             .scalars = context.scalars,
             .row_samples_T = context.inputs.row_samples_T,
             .row_positions_T = context.inputs.row_positions_T,
             .probability = spec_.dropout,
             .site = attention_site_,
             .y_TD = a_TM},
            stream);
  }
  saved.activation = std::move(a_TM);
}

void TransformerBlock::ForwardMlp(ForwardContext& context, BlockSaved& saved) {
  Stream& stream = context.stream;
  saved.h_TM = std::move(saved.activation);
  const TensorView& h_TM = saved.h_TM.view();
  saved.mlp_rstd_T = NewStatistics(h_TM, stream);
  Tensor normed_TM = NewLike(h_TM, MemoryCategory::kActivationsWeight, stream);
  mlp_norm_.Forward({.x_TD = h_TM,
                     .residual_TD = saved.x_TM,
                     .sum_TD = h_TM,
                     .y_TD = normed_TM,
                     .rstd_T = saved.mlp_rstd_T},
                    stream);
  Tensor y_TM = mlp_.Forward(context, saved.mlp, std::move(normed_TM));
  const bool drops = spec_.dropout > 0 && context.trains();
  Dropout({.x_TD = y_TM,
           .residual_TD = h_TM,
           .scalars = drops ? context.scalars : ConstTensorView(),
           .row_samples_T = drops ? context.inputs.row_samples_T : ConstTensorView(),
           .row_positions_T = drops ? context.inputs.row_positions_T : ConstTensorView(),
           .probability = drops ? spec_.dropout : 0,
           .site = mlp_site_,
           .y_TD = y_TM},
          stream);
  if (!context.saves()) {
    saved.x_TM.Reset();
    saved.attention_rstd_T.Reset();
    saved.h_TM.Reset();
    saved.mlp_rstd_T.Reset();
  }
  saved.activation = std::move(y_TM);
}

// The gradient in front of a dropout site; empty without dropout: then dy itself serves.
Tensor TransformerBlock::BackwardDropout(BackwardContext& context, const ConstTensorView& dy_TM,
                                         uint64_t site) const {
  if (spec_.dropout == 0) return Tensor();
  Tensor dx_TM = NewLike(dy_TM, MemoryCategory::kActivationsWeight, context.stream);
  Dropout({.x_TD = dy_TM,
           .scalars = context.scalars,
           .row_samples_T = context.inputs.row_samples_T,
           .row_positions_T = context.inputs.row_positions_T,
           .probability = spec_.dropout,
           .site = site,
           .y_TD = dx_TM},
          context.stream);
  return dx_TM;
}

// After this segment `activation` is dh.
void TransformerBlock::BackwardMlpInput(BackwardContext& context, BlockSaved& saved) {
  saved.dy_TM = std::move(saved.activation);
  saved.dmlp_TM = BackwardDropout(context, saved.dy_TM, mlp_site_);
  const TensorView& dmlp_TM = saved.dmlp_TM ? saved.dmlp_TM.view() : saved.dy_TM.view();
  Tensor dh_TM = mlp_.BackwardInput(context, saved.mlp, dmlp_TM);
  mlp_norm_.Backward({.s_TD = saved.h_TM,
                      .rstd_T = saved.mlp_rstd_T,
                      .dy_TD = dh_TM,
                      .dsum_TD = saved.dy_TM,
                      .ds_TD = dh_TM},
                     context);
  saved.h_TM.Reset();
  saved.mlp_rstd_T.Reset();
  saved.activation = std::move(dh_TM);
}

void TransformerBlock::BackwardAttentionInput(BackwardContext& context, BlockSaved& saved) {
  saved.dh_TM = std::move(saved.activation);
  saved.dattention_TM = BackwardDropout(context, saved.dh_TM, attention_site_);
  const TensorView& dattention_TM =
      saved.dattention_TM ? saved.dattention_TM.view() : saved.dh_TM.view();
  Tensor dx_TM = attention_.BackwardInput(context, saved.attention, dattention_TM);
  attention_norm_.Backward({.s_TD = saved.x_TM,
                            .rstd_T = saved.attention_rstd_T,
                            .dy_TD = dx_TM,
                            .dsum_TD = saved.dh_TM,
                            .ds_TD = dx_TM},
                           context);
  saved.x_TM.Reset();
  saved.attention_rstd_T.Reset();
  saved.activation = std::move(dx_TM);
}

void TransformerBlock::BackwardMlpWeight(BackwardContext& context, BlockSaved& saved) {
  mlp_.BackwardWeight(context, saved.mlp,
                      saved.dmlp_TM ? saved.dmlp_TM.view() : saved.dy_TM.view());
  saved.dmlp_TM.Reset();
  saved.dy_TM.Reset();
}

void TransformerBlock::BackwardAttentionWeight(BackwardContext& context, BlockSaved& saved) {
  attention_.BackwardWeight(context, saved.attention,
                            saved.dattention_TM ? saved.dattention_TM.view() : saved.dh_TM.view());
  saved.dattention_TM.Reset();
  saved.dh_TM.Reset();
}

}  // namespace cadmus
