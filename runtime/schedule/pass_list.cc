// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/pass_list.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace cadmus {

void PassList::Add(ActionKind kind, int chunk, int micro_batch) {
  if (micro_batch < num_micro_batches_)
    actions_.push_back({.kind = kind, .chunk = chunk, .micro_batch = micro_batch});
}

void PassList::Forward(int chunk) { Add(ActionKind::kForward, chunk, At(chunk).forward++); }

void PassList::Backward(int chunk) {
  Counts& counts = At(chunk);
  CADMUS_CHECK(!owes_weight(chunk), StrCat("chunk ", chunk, " owes a weight gradient"));
  Add(ActionKind::kBackward, chunk, counts.input++);
  counts.weight = counts.input;
}

void PassList::BackwardInput(int chunk) {
  Add(ActionKind::kBackwardInput, chunk, At(chunk).input++);
  owed_.push_back(chunk);
}

void PassList::BackwardWeight(int chunk) {
  CADMUS_CHECK(owes_weight(chunk), StrCat("chunk ", chunk, " owes no weight gradient"));
  Add(ActionKind::kBackwardWeight, chunk, At(chunk).weight++);
  owed_.erase(std::find(owed_.begin(), owed_.end(), chunk));
}

void PassList::OldestBackwardWeight() {
  CADMUS_CHECK(!owed_.empty(), "no weight gradient is owed");
  BackwardWeight(owed_.front());
}

void PassList::Overlap(int forward_chunk, int backward_chunk) {
  const int forward = At(forward_chunk).forward;
  const int backward = At(backward_chunk).input;
  if (forward >= num_micro_batches_ || backward >= num_micro_batches_) {
    Forward(forward_chunk);
    Backward(backward_chunk);
    return;
  }
  ++At(forward_chunk).forward;
  At(backward_chunk).weight = ++At(backward_chunk).input;
  actions_.push_back({.kind = ActionKind::kOverlap,
                      .chunk = forward_chunk,
                      .micro_batch = forward,
                      .backward_chunk = backward_chunk,
                      .backward_micro_batch = backward});
}

}  // namespace cadmus
