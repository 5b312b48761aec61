// SPDX-License-Identifier: Apache-2.0
#include "runtime/nn/recompute.h"

#include <string>

#include "runtime/nn/wrapped_module.h"

namespace cadmus {
namespace {

struct RecomputedSaved final : WrappedSaved {
  using WrappedSaved::WrappedSaved;

  void VisitTensors(const std::function<void(Tensor&)>& visit) override {
    visit(input);
    inner->VisitTensors(visit);
  }

  Tensor input;  // from the forward pass to its second run
  Tensor dy;     // while the second run uses `activation`
};

class RecomputedModule final : public WrappedModule {
 public:
  explicit RecomputedModule(std::unique_ptr<Module> module) : WrappedModule(std::move(module)) {
    std::vector<BackwardSegment> again;
    names_.reserve(forward_.size());  // the segments point into it
    for (ForwardSegment& segment : forward_) {
      names_.push_back(StrCat("recompute ", segment.name));
      again.push_back({segment.kind, names_.back().c_str(), &RunAgain});
      segment.run = &RunUnsaved;
    }
    backward_input_.insert(backward_input_.begin(), again.begin(), again.end());
  }

  std::unique_ptr<Saved> NewSaved() const override {
    return std::make_unique<RecomputedSaved>(inner().NewSaved());
  }

 private:
  static void RunUnsaved(Module& self, ForwardContext& context, Saved& base) {
    auto& saved = static_cast<RecomputedSaved&>(base);
    if (!context.saves()) return RunForward(self, context, saved);
    if (saved.next_segment == 0) {
      saved.input = std::move(saved.activation);
      saved.activation = saved.input.Borrow();
    }
    ForwardContext unsaved = context;
    unsaved.mode = Mode::kTrainingUnsaved;
    RunForward(self, unsaved, saved);
    const bool is_output = saved.next_segment == 0;
    CADMUS_CHECK(!is_output || !saved.activation.is_borrowed(),
                 "a recomputed module hands on its input as its output; wrap a larger piece");
  }

  static void RunAgain(Module& self, BackwardContext& context, Saved& base) {
    auto& saved = static_cast<RecomputedSaved&>(base);
    if (saved.next_segment == 0) {
      saved.dy = std::move(saved.activation);
      saved.activation = std::move(saved.input);
    }
    ForwardContext forward = {.stream = context.stream,
                              .mode = Mode::kTraining,
                              .inputs = context.inputs,
                              .scalars = context.scalars};
    RunForward(self, forward, saved);
    if (saved.next_segment == 0) saved.activation = std::move(saved.dy);  // frees y
  }

  std::vector<std::string> names_;
};

}  // namespace

std::unique_ptr<Module> MakeRecomputed(std::unique_ptr<Module> module) {
  return std::make_unique<RecomputedModule>(std::move(module));
}

}  // namespace cadmus
