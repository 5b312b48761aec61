// SPDX-License-Identifier: Apache-2.0
// Stage: the modules that one rank runs one after another: the whole model, or a pipeline chunk of
// it.
#pragma once

#include <memory>
#include <vector>

#include "runtime/nn/module.h"

namespace cadmus {

class Stage {
 public:
  // The saved state of one micro-batch, one element per module.
  using Saves = std::vector<std::unique_ptr<Saved>>;

  explicit Stage(std::vector<std::unique_ptr<Module>> modules) : modules_(std::move(modules)) {}

  // In the order of the forward pass; a tied parameter once, with num_uses set to its uses.
  std::vector<Parameter*> Parameters();
  Saves NewSaves() const;
  int num_modules() const { return static_cast<int>(modules_.size()); }
  // Of one module, in the order of its forward pass.
  std::vector<Parameter*> ParametersOf(int module);

  Tensor Forward(ForwardContext& context, Saves& saves, Tensor x);
  // Input and weight gradients, module by module: gradients become final from the last module to
  // the first, so their reduction overlaps the rest.
  Tensor Backward(BackwardContext& context, Saves& saves, Tensor dy);
  // The two halves apart.
  Tensor BackwardInput(BackwardContext& context, Saves& saves, Tensor dy);
  void BackwardWeight(BackwardContext& context, Saves& saves);

  // The passes of one module. While it runs backward, the module before it prepares for its own.
  Tensor ForwardModule(int module, ForwardContext& context, Saves& saves, Tensor x);
  Tensor BackwardInputModule(int module, BackwardContext& context, Saves& saves, Tensor dy);
  void BackwardWeightModule(int module, BackwardContext& context, Saves& saves);

 private:
  std::vector<std::unique_ptr<Module>> modules_;
};

}  // namespace cadmus
