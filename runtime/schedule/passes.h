// SPDX-License-Identifier: Apache-2.0
// The passes that an action runs: none, one, or the two of an overlap.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "runtime/schedule/action.h"

namespace cadmus {

struct Pass {
  ActionKind kind = ActionKind::kForward;  // kForward, kBackward, kBackwardInput, kBackwardWeight
  int chunk = 0;
  int micro_batch = 0;
  int module = -1;  // -1: all
};

inline bool IsPass(ActionKind kind) {
  return kind == ActionKind::kForward || kind == ActionKind::kBackward ||
         kind == ActionKind::kBackwardInput || kind == ActionKind::kBackwardWeight ||
         kind == ActionKind::kOverlap;
}

inline bool MakesWeightGradient(ActionKind kind) {
  return kind == ActionKind::kBackward || kind == ActionKind::kBackwardWeight;
}

// At most two passes; a range of its own.
class Passes {
 public:
  const Pass* begin() const { return passes_.data(); }
  const Pass* end() const { return passes_.data() + count_; }
  void Add(const Pass& pass) { passes_[count_++] = pass; }

 private:
  std::array<Pass, 2> passes_;
  size_t count_ = 0;
};

inline Passes PassesOf(const Action& action) {
  Passes passes;
  if (action.kind == ActionKind::kOverlap) {
    passes.Add({ActionKind::kForward, action.chunk, action.micro_batch});
    passes.Add({ActionKind::kBackward, action.backward_chunk, action.backward_micro_batch});
  } else if (IsPass(action.kind)) {
    passes.Add({action.kind, action.chunk, action.micro_batch, action.module});
  }
  return passes;
}

// What a pass takes from the stage beside it, and makes of it for the next one. Not of
// kBackwardWeight, which takes and makes none.
inline Payload PayloadOf(ActionKind kind) {
  return kind == ActionKind::kForward ? Payload::kActivation : Payload::kGradient;
}

// Into how many modules the passes, fetches and releases of each chunk are split; 1 if none is.
std::vector<int> NumModules(std::span<const Action> actions, int num_chunks);

}  // namespace cadmus
