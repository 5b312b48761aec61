// SPDX-License-Identifier: Apache-2.0
// MakeCommunicatorOptions: what every group of a run is given, and over what groups exchange where
// a plan is made. A run decides the latter among its ranks (launch/run/gpu_ranks.h).
#pragma once

#include "collectives/communicator/communicator.h"

namespace cadmus {

class RunConfig;

enum class TransportKind {
  kInRankOrder,  // local, or mpi: sums in rank order, staged by the host where there are GPUs
  kNccl,         // sums in NCCL's order
};

CommunicatorOptions MakeCommunicatorOptions(const RunConfig& config, TransportKind transport,
                                            int world_size);

// Of a cluster that has NCCL, and ranks that are processes.
TransportKind PlannedTransport(const RunConfig& config, int world_size);

}  // namespace cadmus
