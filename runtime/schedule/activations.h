// SPDX-License-Identifier: Apache-2.0
// How many activations a rank's list holds at a time: what a schedule costs in memory.
#pragma once

#include <span>

#include "runtime/schedule/action.h"

namespace cadmus {

// The most micro-batches of one chunk that are between forward and backward (its weight part, where
// it is in two) at the same time: as many sets of saved activations the chunk needs. 1 where
// nothing runs backward: then nothing is kept.
int MaxInFlight(std::span<const Action> actions, int chunk);

// The most at a time, over all chunks of the rank, in units of one micro-batch's activations of one
// chunk (stage).
struct ActivationPeaks {
  int until_backward_input = 0;   // what only the input-backward needs: freed after it
  int until_backward_weight = 0;  // what the weight-backward needs: freed after that
};
ActivationPeaks PeakActivations(std::span<const Action> actions);

}  // namespace cadmus
