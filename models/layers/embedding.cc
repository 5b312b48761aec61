// SPDX-License-Identifier: Apache-2.0
#include "models/layers/embedding.h"

#include <array>

#include "kernels/base/philox.h"
#include "kernels/ops/dropout.h"
#include "kernels/ops/embedding.h"
#include "models/layers/split_vocabulary.h"
#include "runtime/parallel/tensor/boundary.h"

namespace cadmus {
namespace {

ConstTensorView TokensOf(const MicroBatchInputs& inputs) {
  return inputs.tokens_BS.Reshape({inputs.tokens_BS.num_elements()});
}

}  // namespace

struct EmbeddingModule::EmbeddingSaved : Saved {
  Tensor dy;  // from input- to weight-backward: outer rows
};

EmbeddingModule::EmbeddingModule(int64_t vocab_size, int64_t model_width, double initial_std,
                                 double dropout, const TensorParallel& parallel)
    : table_VM_{.name = kEmbeddingTableName,
                .shape = {vocab_size, model_width},
                .initial = {InitialValue::Kind::kNormal, initial_std}},
      dropout_(dropout),
      site_(SiteOf("embedding.dropout")),
      parallel_(parallel) {}

void EmbeddingModule::VisitParameters(const std::function<void(Parameter&)>& visit) {
  visit(table_VM_);
}

std::unique_ptr<Saved> EmbeddingModule::NewSaved() const {
  return std::make_unique<EmbeddingSaved>();
}

std::span<const ForwardSegment> EmbeddingModule::forward_segments() const {
  static constexpr std::array<ForwardSegment, 3> kSegments = {
      {{SegmentKind::kCompute, "embedding",
        [](Module& self, ForwardContext& context, Saved& saved) {
          static_cast<EmbeddingModule&>(self).LookUp(context, static_cast<EmbeddingSaved&>(saved));
        }},
       {SegmentKind::kCommunicate, "embedding.leave",
        [](Module& self, ForwardContext& context, Saved& saved) {
          static_cast<EmbeddingModule&>(self).Leave(context, static_cast<EmbeddingSaved&>(saved));
        }},
       {SegmentKind::kCompute, "embedding.dropout",
        [](Module& self, ForwardContext& context, Saved& saved) {
          static_cast<EmbeddingModule&>(self).DropOut(context, static_cast<EmbeddingSaved&>(saved));
        }}}};
  return kSegments;
}

std::span<const BackwardSegment> EmbeddingModule::backward_input_segments() const {
  static constexpr std::array<BackwardSegment, 1> kSegments = {
      {{SegmentKind::kCompute, "embedding", [](Module&, BackwardContext&, Saved& saved) {
          static_cast<EmbeddingSaved&>(saved).dy =
              std::move(saved.activation);  // tokens have no gradient
        }}}};
  return kSegments;
}

std::span<const BackwardSegment> EmbeddingModule::backward_weight_segments() const {
  static constexpr std::array<BackwardSegment, 3> kSegments = {
      {{SegmentKind::kCompute, "embedding.dropout",
        [](Module& self, BackwardContext& context, Saved& saved) {
          static_cast<EmbeddingModule&>(self).DropOutBackward(context,
                                                              static_cast<EmbeddingSaved&>(saved));
        }},
       {SegmentKind::kCommunicate, "embedding.leave",
        [](Module& self, BackwardContext& context, Saved& saved) {
          static_cast<EmbeddingModule&>(self).LeaveBackward(context,
                                                            static_cast<EmbeddingSaved&>(saved));
        }},
       {SegmentKind::kCompute, "embedding",
        [](Module& self, BackwardContext& context, Saved& saved) {
          static_cast<EmbeddingModule&>(self).AddToTable(context,
                                                         static_cast<EmbeddingSaved&>(saved));
        }}}};
  return kSegments;
}

void EmbeddingModule::LookUp(ForwardContext& context, EmbeddingSaved& saved) {
  RequireWholeForInference(context, parallel_);
  const ConstTensorView tokens_T = TokensOf(context.inputs);
  saved.activation = Tensor(table_VM_.weight.dtype(), {tokens_T.dim(0), table_VM_.shape[1]},
                            MemoryCategory::kActivationsInput, context.stream);
  EmbeddingForward({.tokens_T = tokens_T,
                    .table_VD = table_VM_.weight,
                    .part = PartOfTable(table_VM_, parallel_),
                    .y_TD = saved.activation},
                   context.stream);
}

void EmbeddingModule::Leave(ForwardContext& context, EmbeddingSaved& saved) {
  saved.activation = LeaveParallel(parallel_, std::move(saved.activation), context.stream);
}

void EmbeddingModule::DropOut(ForwardContext& context, EmbeddingSaved& saved) {
  if (context.trains())
    DropOutRows(saved.activation, context.inputs, context.scalars, context.stream);
}

void EmbeddingModule::DropOutBackward(BackwardContext& context, EmbeddingSaved& saved) {
  DropOutRows(saved.dy, context.inputs, context.scalars, context.stream);
}

void EmbeddingModule::LeaveBackward(BackwardContext& context, EmbeddingSaved& saved) {
  saved.dy = LeaveParallelBackward(parallel_, std::move(saved.dy), context.stream);
}

void EmbeddingModule::AddToTable(BackwardContext& context, EmbeddingSaved& saved) {
  const GradMode mode = context.gradients.Begin(table_VM_);
  EmbeddingBackward({.tokens_T = TokensOf(context.inputs),
                     .dy_TD = saved.dy,
                     .dtable_VD = table_VM_.grad,
                     .part = PartOfTable(table_VM_, parallel_),
                     .mode = mode},
                    context.stream);
  context.gradients.End(table_VM_);
  saved.dy.Reset();
}

void EmbeddingModule::DropOutRows(const TensorView& x_outer, const MicroBatchInputs& inputs,
                                  const ConstTensorView& scalars, Stream& stream) const {
  if (dropout_ == 0) return;
  const TokenRange rows = parallel_.OuterTokens(inputs.tokens_BS.num_elements());
  Dropout({.x_TD = x_outer,
           .scalars = scalars,
           .row_samples_T = inputs.row_samples_T.Slice(0, rows.begin, rows.end),
           .row_positions_T = inputs.row_positions_T.Slice(0, rows.begin, rows.end),
           .probability = dropout_,
           .site = site_,
           .y_TD = x_outer},
          stream);
}

}  // namespace cadmus
