// SPDX-License-Identifier: Apache-2.0
#include "models/layers/language_model_head.h"

#include <array>

#include "kernels/ops/cast.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/reduce.h"

namespace cadmus {

struct LanguageModelHead::HeadSaved : Saved {
  Tensor x_TM, rstd_T;  // input-backward
  Tensor normed_TM;     // weight-backward
  Tensor logits_TV;     // both; holds the gradient of the logits after the forward pass
};

LanguageModelHead::LanguageModelHead(int64_t vocab_size, int64_t model_width, double norm_epsilon,
                                     double initial_std)
    : own_weight_VM_(Parameter{.name = "head.weight",
                               .shape = {vocab_size, model_width},
                               .initial = {InitialValue::Kind::kNormal, initial_std}}),
      weight_VM_(*own_weight_VM_),
      norm_("final_norm", model_width, norm_epsilon),
      projection_(weight_VM_) {}

LanguageModelHead::LanguageModelHead(Parameter& table_VM, double norm_epsilon)
    : weight_VM_(table_VM),
      norm_("final_norm", table_VM.shape[1], norm_epsilon),
      projection_(weight_VM_) {}

void LanguageModelHead::VisitParameters(const std::function<void(Parameter&)>& visit) {
  visit(norm_.weight());
  visit(weight_VM_);
}

std::unique_ptr<Saved> LanguageModelHead::NewSaved() const { return std::make_unique<HeadSaved>(); }

std::span<const ForwardSegment> LanguageModelHead::forward_segments() const {
  static constexpr std::array<ForwardSegment, 1> kSegments = {
      {{SegmentKind::kCompute, "head", [](Module& self, ForwardContext& context, Saved& saved) {
          auto& head = static_cast<LanguageModelHead&>(self);
          if (context.trains()) {
            head.ForwardTraining(context, static_cast<HeadSaved&>(saved));
          } else {
            head.ForwardInference(context, static_cast<HeadSaved&>(saved));
          }
        }}}};
  return kSegments;
}

std::span<const BackwardSegment> LanguageModelHead::backward_input_segments() const {
  static constexpr std::array<BackwardSegment, 1> kSegments = {
      {{SegmentKind::kCompute, "head", [](Module& self, BackwardContext& context, Saved& saved) {
          static_cast<LanguageModelHead&>(self).RunBackwardInput(context,
                                                                 static_cast<HeadSaved&>(saved));
        }}}};
  return kSegments;
}

std::span<const BackwardSegment> LanguageModelHead::backward_weight_segments() const {
  static constexpr std::array<BackwardSegment, 1> kSegments = {
      {{SegmentKind::kCompute, "head", [](Module& self, BackwardContext& context, Saved& saved) {
          static_cast<LanguageModelHead&>(self).RunBackwardWeight(context,
                                                                  static_cast<HeadSaved&>(saved));
        }}}};
  return kSegments;
}

void LanguageModelHead::ForwardTraining(ForwardContext& context, HeadSaved& saved) {
  Stream& stream = context.stream;
  saved.x_TM = std::move(saved.activation);
  const TensorView& x_TM = saved.x_TM.view();
  const int64_t num_tokens = x_TM.dim(0);
  const DType statistics = StatisticsDType(x_TM.dtype());
  saved.rstd_T = Tensor(statistics, {num_tokens}, MemoryCategory::kActivationsInput, stream);
  saved.normed_TM = Tensor(x_TM.dtype(), x_TM.shape(), MemoryCategory::kActivationsWeight, stream);
  norm_.Forward({.x_TD = x_TM, .y_TD = saved.normed_TM, .rstd_T = saved.rstd_T}, stream);

  saved.logits_TV = Tensor(x_TM.dtype(), {num_tokens, weight_VM_.shape[0]},
                           MemoryCategory::kActivationsWeight, stream);
  projection_.Forward(saved.normed_TM, saved.logits_TV, stream);
  const Tensor loss_T(statistics, {num_tokens}, MemoryCategory::kWorkspace, stream);
  CrossEntropy({.logits_TV = saved.logits_TV,
                .labels_T = context.inputs.labels_BS.Reshape({num_tokens}),
                .scalars = context.scalars,
                .loss_T = loss_T},
               stream);
  const Tensor workspace(DType::kU8, {ReduceWorkspaceBytes(num_tokens)}, MemoryCategory::kWorkspace,
                         stream);
  Sum({.x_N = loss_T,
       .out = context.loss_sum,
       .mode = GradMode::kAccumulate,
       .workspace = workspace},
      stream);
}

void LanguageModelHead::ForwardInference(ForwardContext& context, HeadSaved& saved) {
  Stream& stream = context.stream;
  const Tensor x_TM = std::move(saved.activation);
  const int64_t batch = context.inputs.tokens_BS.dim(0), length = context.inputs.tokens_BS.dim(1);
  const int64_t width = x_TM.view().dim(1);
  const DType dtype = x_TM.view().dtype();
  const Tensor last_BM(dtype, {batch, width}, MemoryCategory::kWorkspace, stream);
  const TensorView x_BSM = x_TM.view().Reshape({batch, length, width});
  Cast({.x = x_BSM.Slice(1, length - 1, length), .y = last_BM.view().Reshape({batch, 1, width})},
       stream);
  const Tensor rstd_B(StatisticsDType(dtype), {batch}, MemoryCategory::kWorkspace, stream);
  norm_.Forward({.x_TD = last_BM, .y_TD = last_BM, .rstd_T = rstd_B}, stream);
  projection_.Forward(last_BM, context.logits_BV, stream);
}

void LanguageModelHead::RunBackwardInput(BackwardContext& context, HeadSaved& saved) {
  const TensorView& x_TM = saved.x_TM.view();
  Tensor dx_TM(x_TM.dtype(), x_TM.shape(), MemoryCategory::kActivationsWeight, context.stream);
  projection_.BackwardInput(saved.logits_TV, dx_TM, context.stream);
  norm_.Backward({.s_TD = x_TM, .rstd_T = saved.rstd_T, .dy_TD = dx_TM, .ds_TD = dx_TM}, context);
  saved.x_TM.Reset();
  saved.rstd_T.Reset();
  saved.activation = std::move(dx_TM);
}

void LanguageModelHead::RunBackwardWeight(BackwardContext& context, HeadSaved& saved) {
  projection_.BackwardWeight(saved.normed_TM, saved.logits_TV, context);
  saved.normed_TM.Reset();
  saved.logits_TV.Reset();
}

}  // namespace cadmus
