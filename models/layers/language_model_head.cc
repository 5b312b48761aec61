// SPDX-License-Identifier: Apache-2.0
#include "models/layers/language_model_head.h"

#include <array>

#include "kernels/ops/cast.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/reduce.h"
#include "models/layers/split_vocabulary.h"
#include "runtime/parallel/tensor/boundary.h"

namespace cadmus {
namespace {

// This rank's [3, T] of the statistics of all ranks.
TensorView OwnStatistics(const TensorParallel& parallel, const TensorView& statistics_R3T) {
  const int64_t rank = parallel.index();
  return statistics_R3T.Slice(0, rank, rank + 1).Reshape({3, statistics_R3T.dim(2)});
}

}  // namespace

struct LanguageModelHead::HeadSaved : Saved {
  Tensor x;  // input-backward: outer rows
  NormStatistics statistics;
  // Weight-backward: all T rows on every rank. Keeping the outer ones would save memory of one
  // layer, for another gather in the backward pass.
  Tensor normed_TM;
  Tensor logits_TV;       // both; holds the gradient of the logits after the forward pass
  Tensor statistics_R3T;  // between the segments of the forward pass
};

LanguageModelHead::LanguageModelHead(int64_t vocab_size, const NormSpec& norm, double initial_std,
                                     const TensorParallel& parallel)
    : own_weight_VM_(Parameter{.name = "head.weight",
                               .shape = {vocab_size, norm.width},
                               .initial = {InitialValue::Kind::kNormal, initial_std}}),
      weight_VM_(*own_weight_VM_),
      norm_("final_norm", norm),
      projection_(weight_VM_),
      parallel_(parallel) {}

LanguageModelHead::LanguageModelHead(Parameter& table_VM, const NormSpec& norm,
                                     const TensorParallel& parallel)
    : weight_VM_(table_VM),
      norm_("final_norm", norm),
      projection_(weight_VM_),
      parallel_(parallel) {}

void LanguageModelHead::VisitParameters(const std::function<void(Parameter&)>& visit) {
  norm_.VisitParameters(visit);
  visit(weight_VM_);
}

std::unique_ptr<Saved> LanguageModelHead::NewSaved() const { return std::make_unique<HeadSaved>(); }

template <LanguageModelHead::ForwardStep kStep>
void LanguageModelHead::RunWithLabels(Module& self, ForwardContext& context, Saved& saved) {
  if (context.infers()) return;
  (static_cast<LanguageModelHead&>(self).*kStep)(context, static_cast<HeadSaved&>(saved));
}

template <LanguageModelHead::BackwardStep kStep>
void LanguageModelHead::RunBackward(Module& self, BackwardContext& context, Saved& saved) {
  (static_cast<LanguageModelHead&>(self).*kStep)(context, static_cast<HeadSaved&>(saved));
}

std::span<const ForwardSegment> LanguageModelHead::forward_segments() const {
  static constexpr std::array<ForwardSegment, 5> kSegments = {
      {{SegmentKind::kCompute, "head.norm",
        [](Module& self, ForwardContext& context, Saved& saved) {
          auto& head = static_cast<LanguageModelHead&>(self);
          if (context.infers()) {
            head.ForwardInference(context, static_cast<HeadSaved&>(saved));
          } else {
            head.NormRows(context, static_cast<HeadSaved&>(saved));
          }
        }},
       {SegmentKind::kCommunicate, "head.enter", &RunWithLabels<&LanguageModelHead::Enter>},
       {SegmentKind::kCompute, "head.logits", &RunWithLabels<&LanguageModelHead::MakeLogits>},
       {SegmentKind::kCommunicate, "head.statistics",
        &RunWithLabels<&LanguageModelHead::GatherStatistics>},
       {SegmentKind::kCompute, "head.loss", &RunWithLabels<&LanguageModelHead::AddLoss>}}};
  return kSegments;
}

std::span<const BackwardSegment> LanguageModelHead::backward_input_segments() const {
  static constexpr std::array<BackwardSegment, 3> kSegments = {
      {{SegmentKind::kCompute, "head.logits", &RunBackward<&LanguageModelHead::ProjectBackward>},
       {SegmentKind::kCommunicate, "head.enter", &RunBackward<&LanguageModelHead::EnterBackward>},
       {SegmentKind::kCompute, "head.norm", &RunBackward<&LanguageModelHead::NormRowsBackward>}}};
  return kSegments;
}

std::span<const BackwardSegment> LanguageModelHead::backward_weight_segments() const {
  static constexpr std::array<BackwardSegment, 1> kSegments = {
      {{SegmentKind::kCompute, "head.logits", &RunBackward<&LanguageModelHead::AddToWeight>}}};
  return kSegments;
}

void LanguageModelHead::NormRows(ForwardContext& context, HeadSaved& saved) {
  Stream& stream = context.stream;
  saved.x = std::move(saved.activation);
  const TensorView& x = saved.x.view();
  saved.normed_TM = Tensor(x.dtype(), x.shape(), MemoryCategory::kActivationsWeight, stream);
  saved.statistics = norm_.Forward({.x_TD = x, .y_TD = saved.normed_TM}, stream);
}

void LanguageModelHead::Enter(ForwardContext& context, HeadSaved& saved) {
  Tensor gathered_TM =
      GatherTokens(parallel_, saved.normed_TM, MemoryCategory::kActivationsWeight, context.stream);
  if (gathered_TM) saved.normed_TM = std::move(gathered_TM);
}

void LanguageModelHead::MakeLogits(ForwardContext& context, HeadSaved& saved) {
  Stream& stream = context.stream;
  const TensorView& x_TM = saved.normed_TM.view();
  const int64_t num_tokens = x_TM.dim(0);
  saved.logits_TV = Tensor(x_TM.dtype(), {num_tokens, weight_VM_.LocalShape()[0]},
                           MemoryCategory::kActivationsWeight, stream);
  projection_.Forward(x_TM, saved.logits_TV, stream);
  if (parallel_.size() == 1) return;
  saved.statistics_R3T = parallel_.ranks().Allocate(DType::kF64, {parallel_.size(), 3, num_tokens},
                                                    MemoryCategory::kWorkspace, stream);
  LogitStatistics({.logits_TV = saved.logits_TV,
                   .labels_T = context.inputs.labels_BS.Reshape({num_tokens}),
                   .part = PartOfTable(weight_VM_, parallel_),
                   .statistics_3T = OwnStatistics(parallel_, saved.statistics_R3T)},
                  stream);
}

void LanguageModelHead::GatherStatistics(ForwardContext& context, HeadSaved& saved) {
  if (parallel_.size() == 1) return;
  parallel_.ranks().AllGather({.input = OwnStatistics(parallel_, saved.statistics_R3T),
                               .output = saved.statistics_R3T,
                               .site = "softmax statistics of the head"},
                              context.stream);
}

void LanguageModelHead::AddLoss(ForwardContext& context, HeadSaved& saved) {
  Stream& stream = context.stream;
  const TensorView& logits_TV = saved.logits_TV.view();
  const int64_t num_tokens = logits_TV.dim(0);
  const ConstTensorView labels_T = context.inputs.labels_BS.Reshape({num_tokens});
  const bool evaluates = context.mode == Mode::kEvaluation;
  Tensor own_loss_T;
  if (!evaluates) {
    own_loss_T = Tensor(StatisticsDType(logits_TV.dtype()), {num_tokens},
                        MemoryCategory::kWorkspace, stream);
  }
  const TensorView loss_T = evaluates ? context.loss_T : own_loss_T.view();
  const ConstTensorView scalars = evaluates ? ConstTensorView() : context.scalars;
  const auto gradient = evaluates ? LogitGradient::kNone : LogitGradient::kWriteOverLogits;
  if (parallel_.size() == 1) {
    CrossEntropy({.logits_TV = logits_TV,
                  .labels_T = labels_T,
                  .scalars = scalars,
                  .loss_T = loss_T,
                  .gradient = gradient},
                 stream);
  } else {
    SplitCrossEntropy({.logits_TV = logits_TV,
                       .labels_T = labels_T,
                       .statistics_R3T = saved.statistics_R3T,
                       .scalars = scalars,
                       .part = PartOfTable(weight_VM_, parallel_),
                       .loss_T = loss_T,
                       .gradient = gradient},
                      stream);
    saved.statistics_R3T.Reset();
  }
  if (evaluates) {
    saved.x.Reset();
    saved.statistics = NormStatistics();
    saved.normed_TM.Reset();
    saved.logits_TV.Reset();
    return;
  }
  const Tensor workspace(DType::kU8, {ReduceWorkspaceBytes(num_tokens)}, MemoryCategory::kWorkspace,
                         stream);
  Sum({.x_N = loss_T,
       .out = context.loss_sum,
       .mode = GradMode::kAccumulate,
       .workspace = workspace},
      stream);
}

void LanguageModelHead::ForwardInference(ForwardContext& context, HeadSaved& saved) {
  RequireWholeForInference(context, parallel_);
  Stream& stream = context.stream;
  const Tensor x_TM = std::move(saved.activation);
  const int64_t batch = context.inputs.tokens_BS.dim(0), length = context.inputs.tokens_BS.dim(1);
  const int64_t width = x_TM.view().dim(1);
  const DType dtype = x_TM.view().dtype();
  const Tensor last_BM(dtype, {batch, width}, MemoryCategory::kWorkspace, stream);
  const TensorView x_BSM = x_TM.view().Reshape({batch, length, width});
  Cast({.x = x_BSM.Slice(1, length - 1, length), .y = last_BM.view().Reshape({batch, 1, width})},
       stream);
  norm_.Forward({.x_TD = last_BM, .y_TD = last_BM}, stream);
  projection_.Forward(last_BM, context.logits_BV, stream);
}

void LanguageModelHead::ProjectBackward(BackwardContext& context, HeadSaved& saved) {
  const TensorView& normed_TM = saved.normed_TM.view();
  saved.activation = Tensor(normed_TM.dtype(), normed_TM.shape(),
                            MemoryCategory::kActivationsWeight, context.stream);
  projection_.BackwardInput(saved.logits_TV, saved.activation, context.stream);
}

void LanguageModelHead::EnterBackward(BackwardContext& context, HeadSaved& saved) {
  saved.activation = EnterParallelBackward(parallel_, std::move(saved.activation), context.stream);
}

void LanguageModelHead::NormRowsBackward(BackwardContext& context, HeadSaved& saved) {
  const TensorView& dx = saved.activation.view();
  norm_.Backward({.s_TD = saved.x, .dy_TD = dx, .ds_TD = dx}, saved.statistics, context);
  saved.x.Reset();
  saved.statistics = NormStatistics();
}

void LanguageModelHead::AddToWeight(BackwardContext& context, HeadSaved& saved) {
  projection_.BackwardWeight(saved.normed_TM, saved.logits_TV, context);
  saved.normed_TM.Reset();
  saved.logits_TV.Reset();
}

}  // namespace cadmus
