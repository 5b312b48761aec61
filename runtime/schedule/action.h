// SPDX-License-Identifier: Apache-2.0
// Action: one line of what a rank does in a step. A schedule is a list of actions made by a pure
// function; a verifier proves it complete and in order; an engine executes it. What an action
// depends on follows from its kind, chunk and micro-batch (verifier.h); the rest is the list's
// order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/parallel/pipeline/payload.h"

namespace cadmus {

enum class ActionKind : uint8_t {
  kForward,
  kBackward,       // input- and weight-backward, module by module
  kBackwardInput,  // the two halves apart, for zero-bubble schedules
  kBackwardWeight,
  kOverlap,            // a forward and a backward with their segments interleaved
  kSend,               // issued, not awaited: what was computed goes to the neighbouring stage
  kReceive,            // blocks the rank's later communication until it has arrived
  kFetchParameters,    // gathers sharded weights (ZeRO-3) beside the computation
  kReleaseParameters,  // the gathered weights are not needed for now
  kReduceGradients,    // all contributions of the chunk are issued: finish summing over the ranks
  kTieReduce,          // adds the gradients of parameters that several stages hold
  kOptimizer,
};

std::string_view Name(ActionKind kind);

struct Action {
  ActionKind kind = ActionKind::kForward;
  int chunk = 0;
  int micro_batch = -1;  // of the kinds that work on one
  // Of passes, fetches and releases: one module of the chunk, counted in forward order; -1: all of
  // them.
  int module = -1;
  // Of kSend, whose chunk is the one that made it, and of kReceive, whose chunk is the one that
  // needs it.
  Payload payload = Payload::kActivation;
  // Of kOverlap: the backward pass (chunk and micro_batch name the forward pass).
  int backward_chunk = -1;
  int backward_micro_batch = -1;

  friend bool operator==(const Action&, const Action&) = default;
};

// "forward chunk 0 micro-batch 3"
std::string ToString(const Action& action);

}  // namespace cadmus
