// SPDX-License-Identifier: Apache-2.0
#include "models/layers/embedding.h"

#include <array>

#include "kernels/base/philox.h"
#include "kernels/ops/dropout.h"
#include "kernels/ops/embedding.h"

namespace cadmus {

struct EmbeddingModule::EmbeddingSaved : Saved {
  Tensor dy_TM;  // from input- to weight-backward
};

EmbeddingModule::EmbeddingModule(int64_t vocab_size, int64_t model_width, double initial_std,
                                 double dropout)
    : table_VM_{.name = "embedding.weight",
                .shape = {vocab_size, model_width},
                .initial = {InitialValue::Kind::kNormal, initial_std}},
      dropout_(dropout),
      site_(SiteOf("embedding.dropout")) {}

void EmbeddingModule::VisitParameters(const std::function<void(Parameter&)>& visit) {
  visit(table_VM_);
}

std::unique_ptr<Saved> EmbeddingModule::NewSaved() const {
  return std::make_unique<EmbeddingSaved>();
}

std::span<const ForwardSegment> EmbeddingModule::forward_segments() const {
  static constexpr std::array<ForwardSegment, 1> kSegments = {
      {{SegmentKind::kCompute, "embedding",
        [](Module& self, ForwardContext& context, Saved& saved) {
          static_cast<EmbeddingModule&>(self).Run(context, static_cast<EmbeddingSaved&>(saved));
        }}}};
  return kSegments;
}

std::span<const BackwardSegment> EmbeddingModule::backward_input_segments() const {
  static constexpr std::array<BackwardSegment, 1> kSegments = {
      {{SegmentKind::kCompute, "embedding", [](Module&, BackwardContext&, Saved& saved) {
          static_cast<EmbeddingSaved&>(saved).dy_TM =
              std::move(saved.activation);  // tokens have no gradient
        }}}};
  return kSegments;
}

std::span<const BackwardSegment> EmbeddingModule::backward_weight_segments() const {
  static constexpr std::array<BackwardSegment, 1> kSegments = {
      {{SegmentKind::kCompute, "embedding",
        [](Module& self, BackwardContext& context, Saved& saved) {
          static_cast<EmbeddingModule&>(self).RunBackwardWeight(
              context, static_cast<EmbeddingSaved&>(saved));
        }}}};
  return kSegments;
}

void EmbeddingModule::Run(ForwardContext& context, EmbeddingSaved& saved) {
  const ConstTensorView tokens_T =
      context.inputs.tokens_BS.Reshape({context.inputs.tokens_BS.num_elements()});
  Tensor y_TM(table_VM_.weight.dtype(), {tokens_T.dim(0), table_VM_.shape[1]},
              MemoryCategory::kActivationsInput, context.stream);
  EmbeddingForward({.tokens_T = tokens_T, .table_VD = table_VM_.weight, .y_TD = y_TM},
                   context.stream);
  if (dropout_ > 0 && context.trains()) {
    Dropout({.x_TD = y_TM,
             .scalars = context.scalars,
             .row_samples_T = context.inputs.row_samples_T,
             .row_positions_T = context.inputs.row_positions_T,
             .probability = dropout_,
             .site = site_,
             .y_TD = y_TM},
            context.stream);
  }
  saved.activation = std::move(y_TM);
}

void EmbeddingModule::RunBackwardWeight(BackwardContext& context, EmbeddingSaved& saved) {
  if (dropout_ > 0) {
    Dropout({.x_TD = saved.dy_TM,
             .scalars = context.scalars,
             .row_samples_T = context.inputs.row_samples_T,
             .row_positions_T = context.inputs.row_positions_T,
             .probability = dropout_,
             .site = site_,
             .y_TD = saved.dy_TM},
            context.stream);
  }
  const GradMode mode = context.gradients.Begin(table_VM_);
  EmbeddingBackward(
      {.tokens_T = context.inputs.tokens_BS.Reshape({context.inputs.tokens_BS.num_elements()}),
       .dy_TD = saved.dy_TM,
       .dtable_VD = table_VM_.grad,
       .mode = mode},
      context.stream);
  context.gradients.End(table_VM_);
  saved.dy_TM.Reset();
}

}  // namespace cadmus
