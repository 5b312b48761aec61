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

Tensor Stage::Forward(ForwardContext& context, Saves& saves, Tensor x) {
  for (size_t i = 0; i < modules_.size(); ++i) {
    x = cadmus::Forward(*modules_[i], context, *saves[i], std::move(x));
  }
  return x;
}

Tensor Stage::Backward(BackwardContext& context, Saves& saves, Tensor dy) {
  for (size_t i = modules_.size(); i-- > 0;) {
    dy = cadmus::BackwardInput(*modules_[i], context, *saves[i], std::move(dy));
    cadmus::BackwardWeight(*modules_[i], context, *saves[i]);
  }
  return dy;
}

Tensor Stage::BackwardInput(BackwardContext& context, Saves& saves, Tensor dy) {
  for (size_t i = modules_.size(); i-- > 0;) {
    dy = cadmus::BackwardInput(*modules_[i], context, *saves[i], std::move(dy));
  }
  return dy;
}

void Stage::BackwardWeight(BackwardContext& context, Saves& saves) {
  for (size_t i = modules_.size(); i-- > 0;)
    cadmus::BackwardWeight(*modules_[i], context, *saves[i]);
}

}  // namespace cadmus
