// SPDX-License-Identifier: Apache-2.0
#include "runtime/nn/stage.h"

#include <algorithm>

namespace cadmus {

std::vector<Parameter*> Stage::Parameters() {
  std::vector<Parameter*> parameters;
  for (const auto& module : modules_) {
    module->VisitParameters([&](Parameter& parameter) {
      if (std::find(parameters.begin(), parameters.end(), &parameter) != parameters.end()) {
        ++parameter.num_uses;
      } else {
        parameter.num_uses = 1;
        parameters.push_back(&parameter);
      }
    });
  }
  return parameters;
}

Stage::Saves Stage::NewSaves() const {
  Saves saves;
  for (const auto& module : modules_) saves.push_back(module->NewSaved());
  return saves;
}

std::vector<Parameter*> Stage::ParametersOf(int module) {
  std::vector<Parameter*> parameters;
  modules_[static_cast<size_t>(module)]->VisitParameters(
      [&](Parameter& parameter) { parameters.push_back(&parameter); });
  return parameters;
}

Tensor Stage::Forward(ForwardContext& context, Saves& saves, Tensor x) {
  for (int i = 0; i < num_modules(); ++i) x = ForwardModule(i, context, saves, std::move(x));
  return x;
}

Tensor Stage::Backward(BackwardContext& context, Saves& saves, Tensor dy) {
  for (int i = num_modules() - 1; i >= 0; --i) {
    dy = BackwardInputModule(i, context, saves, std::move(dy));
    BackwardWeightModule(i, context, saves);
  }
  return dy;
}

Tensor Stage::BackwardInput(BackwardContext& context, Saves& saves, Tensor dy) {
  for (int i = num_modules() - 1; i >= 0; --i)
    dy = BackwardInputModule(i, context, saves, std::move(dy));
  return dy;
}

void Stage::BackwardWeight(BackwardContext& context, Saves& saves) {
  for (int i = num_modules() - 1; i >= 0; --i) BackwardWeightModule(i, context, saves);
}

Tensor Stage::ForwardModule(int module, ForwardContext& context, Saves& saves, Tensor x) {
  const auto i = static_cast<size_t>(module);
  return cadmus::Forward(*modules_[i], context, *saves[i], std::move(x));
}

Tensor Stage::BackwardInputModule(int module, BackwardContext& context, Saves& saves, Tensor dy) {
  const auto i = static_cast<size_t>(module);
  if (i > 0) modules_[i - 1]->PrepareBackward(context, *saves[i - 1]);
  return cadmus::BackwardInput(*modules_[i], context, *saves[i], std::move(dy));
}

void Stage::BackwardWeightModule(int module, BackwardContext& context, Saves& saves) {
  const auto i = static_cast<size_t>(module);
  cadmus::BackwardWeight(*modules_[i], context, *saves[i]);
}

}  // namespace cadmus
