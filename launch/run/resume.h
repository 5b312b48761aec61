// SPDX-License-Identifier: Apache-2.0
// Whether a config may go on where a stored run stopped.
#pragma once

namespace cadmus {

class RunConfig;

// The number of steps, the layout, micro-batches, the device, paths and the keeping of checkpoints
// may change. Whatever decides the numbers may not: model, precision, optimizer, seed, global
// batch, sequences. Throws kConfig naming the fields that differ, with both values.
void RequireSameRun(const RunConfig& stored, const RunConfig& asked);

}  // namespace cadmus
