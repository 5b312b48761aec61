// SPDX-License-Identifier: Apache-2.0
// The verifier: whether lists of actions are a training step, or an evaluation.
#pragma once

#include <string>
#include <vector>

#include "runtime/schedule/schedule.h"

namespace cadmus {

// Every rule that the schedule breaks, in sentences that name rank and action; empty for a valid
// one. The rules:
// - Sizes are positive; every stage lies at one place; chunks, micro-batches and modules exist.
// - Each (chunk, micro-batch) runs forward once and backward once after it, whole or as input- and
//   then weight-backward. Where passes are split into modules, each module runs once, in ascending
//   order forward and in descending order backward.
// - A pass runs after what it needs is there: forward, the activation of the stage before;
//   backward, the gradient of the stage behind; computed earlier on the same rank, or received.
// - A message is sent once, after the pass that makes it, and received once; per (source,
//   destination, payload) in the order in which it was sent.
// - No rank waits for ever, if sends do not wait and receives do, in the lists' order.
// - Per chunk, forward passes come in ascending order of micro-batches, and so do weight gradients:
//   the order of every sum is the same in all schedules.
// - Each chunk reduces its gradients once, after its last one; then one tie-reduce (not needed for
//   a single stage); the optimizer runs once, last.
// - In a list with fetches, a module's weights are fetched while a pass other than weight-backward
//   runs on it, are not fetched or released twice in a row, and are released before the optimizer.
// Of an evaluation each (chunk, micro-batch) runs forward once and nothing runs backward; nothing
// is reduced, no optimizer runs, and fetched weights are released by the end.
std::vector<std::string> FindProblems(const Schedule& schedule);

}  // namespace cadmus
