// SPDX-License-Identifier: Apache-2.0
#include "runtime/nn/module.h"

namespace cadmus {

Tensor Forward(Module& module, ForwardContext& context, Saved& saved, Tensor x) {
  saved.activation = std::move(x);
  for (const ForwardSegment& segment : module.forward_segments())
    segment.run(module, context, saved);
  return std::move(saved.activation);
}

Tensor BackwardInput(Module& module, BackwardContext& context, Saved& saved, Tensor dy) {
  saved.activation = std::move(dy);
  for (const BackwardSegment& segment : module.backward_input_segments())
    segment.run(module, context, saved);
  return std::move(saved.activation);
}

void BackwardWeight(Module& module, BackwardContext& context, Saved& saved) {
  for (const BackwardSegment& segment : module.backward_weight_segments())
    segment.run(module, context, saved);
}

}  // namespace cadmus
