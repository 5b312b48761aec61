// SPDX-License-Identifier: Apache-2.0
// Action: one line of what a rank does in a step. A schedule is a list of actions made by a pure
// function; a verifier proves it complete and in order; an engine executes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

// What kSend and kReceive move.
enum class Payload : uint8_t {
  kActivation,  // a forward pass' output, to the next stage
  kGradient,    // an input-backward pass' output, to the stage before
};

std::string_view Name(ActionKind kind);

struct Action {
  ActionKind kind = ActionKind::kForward;
  int chunk = 0;
  int micro_batch = -1;         // of the kinds that work on one
  std::vector<int> depends_on;  // indices of earlier actions of this list
  // Of passes, fetches and releases: one module of the chunk, counted in forward order; -1: all of
  // them.
  int module = -1;
  Payload payload = Payload::kActivation;
  // Of kOverlap: the backward pass (chunk and micro_batch name the forward pass).
  int backward_chunk = -1;
  int backward_micro_batch = -1;
};

// "forward chunk 0 micro-batch 3"
std::string ToString(const Action& action);

}  // namespace cadmus
