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

EmbeddingModule::EmbeddingModule(const EmbeddingSpec& spec, const TensorParallel& parallel)
    : table_VM_{.name = kEmbeddingTableName,
                .shape = {spec.vocab_size, spec.model_width},
                .initial = {InitialValue::Kind::kNormal, spec.initial_std}},
      dropout_(spec.dropout),
      site_(SiteOf("embedding.dropout")),
      parallel_(parallel) {
  if (spec.num_positions == 0) return;
  positions_PM_ = Parameter{.name = "positions.weight",
                            .shape = {spec.num_positions, spec.model_width},
                            .initial = {InitialValue::Kind::kNormal, spec.initial_std}};
}

void EmbeddingModule::VisitParameters(const std::function<void(Parameter&)>& visit) {
  visit(table_VM_);
  if (positions_PM_) visit(*positions_PM_);
}

std::unique_ptr<Saved> EmbeddingModule::NewSaved() const {
  return std::make_unique<EmbeddingSaved>();
}

template <auto kMethod>
void EmbeddingModule::Run(Module& self, auto& context, Saved& saved) {
  (static_cast<EmbeddingModule&>(self).*kMethod)(context, static_cast<EmbeddingSaved&>(saved));
}

std::span<const ForwardSegment> EmbeddingModule::forward_segments() const {
  using Self = EmbeddingModule;
  using enum SegmentKind;
  static constexpr std::array<ForwardSegment, 3> kSegments = {{
      {kCompute, "embedding", &Run<&Self::LookUp>},
      {kCommunicate, "embedding.leave", &Run<&Self::Leave>},
      {kCompute, "embedding.rows", &Run<&Self::FinishRows>},
  }};
  return kSegments;
}

std::span<const BackwardSegment> EmbeddingModule::backward_input_segments() const {
  static constexpr std::array<BackwardSegment, 1> kSegments = {
      {{SegmentKind::kCompute, "embedding", &Run<&EmbeddingModule::KeepGradient>}}};
  return kSegments;
}

std::span<const BackwardSegment> EmbeddingModule::backward_weight_segments() const {
  using Self = EmbeddingModule;
  using enum SegmentKind;
  static constexpr std::array<BackwardSegment, 3> kSegments = {{
      {kCompute, "embedding.rows", &Run<&Self::FinishRowsBackward>},
      {kCommunicate, "embedding.leave", &Run<&Self::LeaveBackward>},
      {kCompute, "embedding", &Run<&Self::AddToTable>},
  }};
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

void EmbeddingModule::FinishRows(ForwardContext& context, EmbeddingSaved& saved) {
  if (positions_PM_) {
    EmbeddingForward({.tokens_T = OuterPositions(context.inputs),
                      .table_VD = positions_PM_->weight,
                      .add_TD = saved.activation,
                      .y_TD = saved.activation},
                     context.stream);
  }
  if (context.drops_out())
    DropOutRows(saved.activation, context.inputs, context.scalars, context.stream);
}

// Tokens have no gradient.
void EmbeddingModule::KeepGradient(BackwardContext&, EmbeddingSaved& saved) {
  saved.dy = std::move(saved.activation);
}

void EmbeddingModule::FinishRowsBackward(BackwardContext& context, EmbeddingSaved& saved) {
  DropOutRows(saved.dy, context.inputs, context.scalars, context.stream);
  if (!positions_PM_) return;
  const GradMode mode = context.gradients.Begin(*positions_PM_);
  EmbeddingBackward({.tokens_T = OuterPositions(context.inputs),
                     .dy_TD = saved.dy,
                     .dtable_VD = positions_PM_->grad,
                     .mode = mode},
                    context.stream);
  context.gradients.End(*positions_PM_);
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

ConstTensorView EmbeddingModule::OuterPositions(const MicroBatchInputs& inputs) const {
  const int64_t num_tokens = inputs.positions_BS.num_elements();
  const TokenRange rows = parallel_.OuterTokens(num_tokens);
  return inputs.positions_BS.Reshape({num_tokens}).Slice(0, rows.begin, rows.end);
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
