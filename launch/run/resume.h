// SPDX-License-Identifier: Apache-2.0
// Whether a config may go on where a stored run stopped.
#pragma once

namespace cadmus {

class RunConfig;

// The number of steps, the layout, micro-batches, the device, paths, the keeping of checkpoints and
// when the run is evaluated may change. Whatever decides the numbers may not: model, precision,
// optimizer and its schedule, seed, global batch, sequences, what is held out. Throws kConfig
// naming the fields that differ, with both values.
void RequireSameRun(const RunConfig& stored, const RunConfig& asked);

}  // namespace cadmus
