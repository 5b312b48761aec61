// SPDX-License-Identifier: Apache-2.0
// Completes lists of passes: what has to be sent, received and reduced follows from them; and an
// evaluation from a training step.
#pragma once

#include "runtime/schedule/schedule.h"

namespace cadmus {

// Adds kSend right after the pass that makes a message and kReceive right before the pass that
// needs it; stages that lie next to each other on one rank hand over without. Messages are received
// in the order in which they are sent, per (source, destination, payload): one that is needed later
// than its successor is received early. Requires a valid stage_of, chunks and micro-batches inside
// of the size.
void AddTransfers(Schedule& schedule);

// Adds kReduceGradients after the last weight gradient of each chunk (behind the sends that follow
// it) and, at the end, kTieReduce (where there are several stages) and kOptimizer.
void AddReductions(Schedule& schedule);

// The evaluation that goes with a training step: its forward passes in their order, and the
// transfers between them; without fetches. Requires a valid schedule whose passes are not split
// into modules.
Schedule EvaluationOf(const Schedule& training);

}  // namespace cadmus
