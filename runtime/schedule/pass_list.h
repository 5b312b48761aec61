// SPDX-License-Identifier: Apache-2.0
// PassList: collects a rank's passes in ascending order of micro-batches. A schedule says which
// chunk runs next and in which direction; the list counts the micro-batches.
#pragma once

#include <deque>
#include <vector>

#include "runtime/schedule/action.h"

namespace cadmus {

class PassList {
 public:
  PassList(int num_chunks, int num_micro_batches)
      : num_micro_batches_(num_micro_batches), next_(static_cast<size_t>(num_chunks)) {}

  // The chunk's next micro-batch in this direction. Nothing is added where all micro-batches of the
  // step have passed, so that a schedule for more micro-batches serves for fewer: what is left out
  // on all ranks leaves the order of the rest as it is.
  void Forward(int chunk);
  void Backward(int chunk);
  void BackwardInput(int chunk);
  void BackwardWeight(int chunk);
  void Overlap(int forward_chunk, int backward_chunk);

  // The weight gradient of the backward-input passed longest ago.
  void OldestBackwardWeight();
  // Whether a backward-input of the chunk waits for its weight gradient.
  bool owes_weight(int chunk) const { return At(chunk).input > At(chunk).weight; }

  std::vector<Action> Take() { return std::move(actions_); }

 private:
  // How many micro-batches have passed.
  struct Counts {
    int forward = 0;
    int input = 0;
    int weight = 0;
  };
  const Counts& At(int chunk) const { return next_[static_cast<size_t>(chunk)]; }
  Counts& At(int chunk) { return next_[static_cast<size_t>(chunk)]; }
  void Add(ActionKind kind, int chunk, int micro_batch);

  int num_micro_batches_;
  std::vector<Counts> next_;  // [chunk]
  std::deque<int> owed_;      // chunks of the backward-inputs without weight gradient
  std::vector<Action> actions_;
};

}  // namespace cadmus
