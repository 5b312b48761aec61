// SPDX-License-Identifier: Apache-2.0
// RecordRank: what one rank of a run holds, computes and exchanges in a training step, found by
// running the very step of training on a device that records instead of computing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/device/allocator.h"
#include "launch/run/context_memory.h"

namespace cadmus {

class RunConfig;
class Trace;

// The calls of one operation in one group, over one step.
struct CollectiveTotal {
  std::string group;      // the axis or axes: "dp_shard"
  std::string operation;  // "all-reduce"
  int64_t calls = 0;
  int64_t bytes = 0;  // of the larger of a call's input and output, summed

  friend bool operator==(const CollectiveTotal&, const CollectiveTotal&) = default;
};

struct RankRecord {
  int64_t num_parameters = 0;  // elements of its parts of the parameters, padding included
  int num_micro_batches = 0;
  // Peaks over set-up, two steps, and a batch of evaluation where the run evaluates; later ones
  // repeat these.
  MemoryStats memory;
  ContextMemory context;                     // of a GPU, beside the slab
  std::vector<CollectiveTotal> collectives;  // ordered by group, then operation
  // Of matrix products as they are executed, and of attention: 4 · B · H · Sq · Sk · D over the
  // visible pairs forward, 2.5 times that backward.
  double executed_flops = 0;
};

// Takes about as long as issuing two steps, and no device memory. Requires model.llama.vocab_size;
// reads no data. Throws kConfig as ValidateRun does.
RankRecord RecordRank(const RunConfig& config, int rank, int world_size);

// The totals over a trace.
std::vector<CollectiveTotal> SumCollectives(const Trace& trace);
double SumFlops(const Trace& trace);

}  // namespace cadmus
