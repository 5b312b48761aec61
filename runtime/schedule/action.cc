// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/action.h"

#include <array>

#include "kernels/base/str_cat.h"

namespace cadmus {

std::string_view Name(ActionKind kind) {
  constexpr std::array<std::string_view, 12> kNames = {
      "forward", "backward", "backward-input", "backward-weight",  "overlap",    "send",
      "receive", "fetch",    "release",        "reduce-gradients", "tie-reduce", "optimizer"};
  return kNames[static_cast<size_t>(kind)];
}

std::string ToString(const Action& action) {
  std::string text(Name(action.kind));
  if (action.kind == ActionKind::kTieReduce || action.kind == ActionKind::kOptimizer) return text;
  if (action.kind == ActionKind::kSend || action.kind == ActionKind::kReceive)
    text += action.payload == Payload::kActivation ? " activation" : " gradient";
  text += StrCat(" chunk ", action.chunk);
  if (action.micro_batch >= 0) text += StrCat(" micro-batch ", action.micro_batch);
  if (action.module >= 0) text += StrCat(" module ", action.module);
  if (action.kind == ActionKind::kOverlap) {
    text += StrCat(" with backward chunk ", action.backward_chunk, " micro-batch ",
                   action.backward_micro_batch);
  }
  return text;
}

}  // namespace cadmus
