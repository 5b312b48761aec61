// SPDX-License-Identifier: Apache-2.0
// WrappedModule: base of modules that add something around the passes of another one. The segments
// of the inner module stay visible one by one, so that an engine can still tell communication from
// computation. What is added comes as further segments, or as runs of the inner ones in another
// context.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "runtime/nn/module.h"

namespace cadmus {

struct WrappedSaved : Saved {
  explicit WrappedSaved(std::unique_ptr<Saved> inner_saved) : inner(std::move(inner_saved)) {}

  void VisitTensors(const std::function<void(Tensor&)>& visit) override {
    inner->VisitTensors(visit);
  }

  std::unique_ptr<Saved> inner;
  size_t next_segment = 0;  // of the inner module's pass that is under way
};

class WrappedModule : public Module {
 public:
  void VisitParameters(const std::function<void(Parameter&)>& visit) override {
    inner_->VisitParameters(visit);
  }
  std::span<const ForwardSegment> forward_segments() const override { return forward_; }
  std::span<const BackwardSegment> backward_input_segments() const override {
    return backward_input_;
  }
  std::span<const BackwardSegment> backward_weight_segments() const override {
    return backward_weight_;
  }
  void PrepareBackward(BackwardContext& context, Saved& saved) override {
    inner_->PrepareBackward(context, *static_cast<WrappedSaved&>(saved).inner);
  }

 protected:
  explicit WrappedModule(std::unique_ptr<Module> inner) : inner_(std::move(inner)) {
    for (const ForwardSegment& segment : inner_->forward_segments()) {
      forward_.push_back({segment.kind, segment.name, &RunForward});
    }
    for (const BackwardSegment& segment : inner_->backward_input_segments()) {
      backward_input_.push_back({segment.kind, segment.name, &RunBackwardInput});
    }
    for (const BackwardSegment& segment : inner_->backward_weight_segments()) {
      backward_weight_.push_back({segment.kind, segment.name, &RunBackwardWeight});
    }
  }

  const Module& inner() const { return *inner_; }

  // The next segment of the inner module's pass. `activation` is the wrapper's between segments.
  static void RunForward(Module& self, ForwardContext& context, Saved& saved) {
    Module& inner = *static_cast<WrappedModule&>(self).inner_;
    RunNext(inner, inner.forward_segments(), context, static_cast<WrappedSaved&>(saved));
  }
  static void RunBackwardInput(Module& self, BackwardContext& context, Saved& saved) {
    Module& inner = *static_cast<WrappedModule&>(self).inner_;
    RunNext(inner, inner.backward_input_segments(), context, static_cast<WrappedSaved&>(saved));
  }
  static void RunBackwardWeight(Module& self, BackwardContext& context, Saved& saved) {
    Module& inner = *static_cast<WrappedModule&>(self).inner_;
    RunNext(inner, inner.backward_weight_segments(), context, static_cast<WrappedSaved&>(saved));
  }

  // What the wrapper runs: as the inner module's at first; derived constructors add to them.
  std::vector<ForwardSegment> forward_;
  std::vector<BackwardSegment> backward_input_;
  std::vector<BackwardSegment> backward_weight_;

 private:
  template <class Context>
  static void RunNext(Module& inner, std::span<const Segment<Context>> segments, Context& context,
                      WrappedSaved& saved) {
    // Zero while a segment runs: a pass that ends in an exception leaves nothing to go on from.
    const size_t i = std::exchange(saved.next_segment, 0);
    saved.inner->activation = std::move(saved.activation);
    segments[i].run(inner, context, *saved.inner);
    saved.activation = std::move(saved.inner->activation);
    if (i + 1 < segments.size()) saved.next_segment = i + 1;
  }

  std::unique_ptr<Module> inner_;
};

}  // namespace cadmus
