// SPDX-License-Identifier: Apache-2.0
// ToyModule: y = x + dropout(norm(x)) as three segments, the middle one of the communicating kind.
// It notes the segments that it runs, and keeps its input until the weight-backward: the hard case
// for whoever lends it the input.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "kernels/base/philox.h"
#include "kernels/ops/dropout.h"
#include "kernels/ops/rms_norm.h"
#include "runtime/nn/module.h"

namespace cadmus {

class ToyModule final : public Module {
 public:
  // `log`, if any, receives the names of the segments run.
  ToyModule(const std::string& name, int64_t width, std::vector<std::string>* log = nullptr)
      : weight_{.name = name + ".weight",
                .shape = {width},
                .initial = {InitialValue::Kind::kNormal, 1}},
        site_(SiteOf(name)),
        log_(log) {}

  void VisitParameters(const std::function<void(Parameter&)>& visit) override { visit(weight_); }
  std::unique_ptr<Saved> NewSaved() const override { return std::make_unique<ToySaved>(); }

  std::span<const ForwardSegment> forward_segments() const override {
    static constexpr std::array<ForwardSegment, 3> kSegments = {{
        {SegmentKind::kCompute, "norm",
         [](Module& self, ForwardContext& context, Saved& saved) {
           static_cast<ToyModule&>(self).ForwardNorm(context, static_cast<ToySaved&>(saved));
         }},
        {SegmentKind::kCommunicate, "exchange",
         [](Module& self, ForwardContext&, Saved&) {
           static_cast<ToyModule&>(self).Log("exchange");
         }},
        {SegmentKind::kCompute, "dropout",
         [](Module& self, ForwardContext& context, Saved& saved) {
           static_cast<ToyModule&>(self).ForwardDropout(context, static_cast<ToySaved&>(saved));
         }},
    }};
    return kSegments;
  }
  std::span<const BackwardSegment> backward_input_segments() const override {
    static constexpr std::array<BackwardSegment, 1> kSegments = {
        {{SegmentKind::kCompute, "all", [](Module& self, BackwardContext& context, Saved& saved) {
            static_cast<ToyModule&>(self).BackwardInput(context, static_cast<ToySaved&>(saved));
          }}}};
    return kSegments;
  }
  std::span<const BackwardSegment> backward_weight_segments() const override {
    static constexpr std::array<BackwardSegment, 1> kSegments = {
        {{SegmentKind::kCompute, "all", [](Module& self, BackwardContext& context, Saved& saved) {
            static_cast<ToyModule&>(self).BackwardWeight(context, static_cast<ToySaved&>(saved));
          }}}};
    return kSegments;
  }

 private:
  static constexpr double kProbability = 0.3;

  struct ToySaved final : Saved {
    void VisitTensors(const std::function<void(Tensor&)>& visit) override {
      for (Tensor* tensor : {&x, &rstd, &normed, &dnormed}) visit(*tensor);
    }
    Tensor x, rstd;  // weight-backward
    Tensor normed;   // of the forward pass alone
    Tensor dnormed;  // from input- to weight-backward
  };

  void Log(const char* name) {
    if (log_ != nullptr) log_->push_back(name);
  }

  DropoutArgs DropoutOf(const ConstTensorView& x, const ConstTensorView& scalars,
                        const MicroBatchInputs& inputs, const TensorView& y) const {
    return {.x_TD = x,
            .residual_TD = {},
            .scalars = scalars,
            .row_samples_T = inputs.row_samples_T,
            .row_positions_T = inputs.row_positions_T,
            .probability = kProbability,
            .site = site_,
            .y_TD = y};
  }

  // ds = gradient through the norm + dsum; the weight's gradient goes to dweight.
  void NormBackward(const ToySaved& saved, const ConstTensorView& dsum, const TensorView& ds,
                    const TensorView& dweight, GradMode mode, Stream& stream) const {
    const ConstTensorView x = saved.x;
    const Tensor workspace(DType::kU8,
                           {RmsNormBackwardWorkspaceBytes(x.dim(0), x.dim(1), x.dtype())},
                           MemoryCategory::kWorkspace, stream);
    RmsNormBackward({.s_TD = x,
                     .weight_D = weight_.weight,
                     .rstd_T = saved.rstd,
                     .dy_TD = saved.dnormed,
                     .dsum_TD = dsum,
                     .ds_TD = ds,
                     .dweight_D = dweight,
                     .dweight_mode = mode,
                     .workspace = workspace},
                    stream);
  }

  void ForwardNorm(ForwardContext& context, ToySaved& saved) {
    Log("norm");
    saved.x = std::move(saved.activation);
    const TensorView& x = saved.x.view();
    saved.rstd = Tensor(x.dtype(), {x.dim(0)}, MemoryCategory::kActivationsWeight, context.stream);
    saved.normed = Tensor(x.dtype(), x.shape(), MemoryCategory::kActivationsInput, context.stream);
    RmsNormForward({.x_TD = x,
                    .residual_TD = {},
                    .weight_D = weight_.weight,
                    .sum_TD = {},
                    .y_TD = saved.normed,
                    .rstd_T = saved.rstd},
                   context.stream);
  }
  void ForwardDropout(ForwardContext& context, ToySaved& saved) {
    Log("dropout");
    DropoutArgs args = DropoutOf(saved.normed, context.scalars, context.inputs, saved.normed);
    args.residual_TD = saved.x;
    Dropout(args, context.stream);
    saved.activation = std::move(saved.normed);
    if (context.saves()) return;
    saved.x.Reset();
    saved.rstd.Reset();
  }
  void BackwardInput(BackwardContext& context, ToySaved& saved) {
    const Tensor dy = std::move(saved.activation);
    const Shape& shape = dy.view().shape();
    saved.dnormed =
        Tensor(dy.view().dtype(), shape, MemoryCategory::kActivationsWeight, context.stream);
    Dropout(DropoutOf(dy, context.scalars, context.inputs, saved.dnormed), context.stream);
    Tensor dx(dy.view().dtype(), shape, MemoryCategory::kActivationsInput, context.stream);
    const Tensor unused(dy.view().dtype(), {shape[1]}, MemoryCategory::kWorkspace, context.stream);
    NormBackward(saved, dy, dx, unused, GradMode::kOverwrite, context.stream);
    saved.activation = std::move(dx);
  }
  void BackwardWeight(BackwardContext& context, ToySaved& saved) {
    const Tensor unused(saved.x.view().dtype(), saved.x.view().shape(), MemoryCategory::kWorkspace,
                        context.stream);
    const GradMode mode = context.gradients.Begin(weight_);
    NormBackward(saved, {}, unused, weight_.grad, mode, context.stream);
    context.gradients.End(weight_);
    saved.x.Reset();
    saved.rstd.Reset();
    saved.dnormed.Reset();
  }

  Parameter weight_;
  uint64_t site_;
  std::vector<std::string>* log_;
};

}  // namespace cadmus
