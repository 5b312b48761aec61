// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/activations.h"

#include <algorithm>

#include "runtime/schedule/passes.h"

namespace cadmus {
namespace {

// Of a pass split into modules: whether it is the first part forward, or the last part backward.
bool IsFirstModule(const Pass& pass) { return pass.module <= 0; }

}  // namespace

int MaxInFlight(std::span<const Action> actions, int chunk) {
  int in_flight = 0;
  int most = 0;
  bool runs_backward = false;
  for (const Action& action : actions) {
    for (const Pass& pass : PassesOf(action)) {
      if (pass.chunk != chunk || !IsFirstModule(pass)) continue;
      if (pass.kind == ActionKind::kForward) most = std::max(most, ++in_flight);
      if (!MakesWeightGradient(pass.kind)) continue;
      --in_flight;
      runs_backward = true;
    }
  }
  return runs_backward ? most : std::min(most, 1);
}

ActivationPeaks PeakActivations(std::span<const Action> actions) {
  ActivationPeaks now;
  ActivationPeaks most;
  for (const Action& action : actions) {
    for (const Pass& pass : PassesOf(action)) {
      if (!IsFirstModule(pass)) continue;
      if (pass.kind == ActionKind::kForward) {
        ++now.until_backward_input;
        ++now.until_backward_weight;
      }
      if (pass.kind == ActionKind::kBackward || pass.kind == ActionKind::kBackwardInput)
        --now.until_backward_input;
      if (MakesWeightGradient(pass.kind)) --now.until_backward_weight;
      most.until_backward_input = std::max(most.until_backward_input, now.until_backward_input);
      most.until_backward_weight = std::max(most.until_backward_weight, now.until_backward_weight);
    }
  }
  return most;
}

}  // namespace cadmus
