// SPDX-License-Identifier: Apache-2.0
// Which GPU a rank takes, and over what the ranks of GPUs exchange. Pure functions of what each
// rank has found, so that all ranks decide alike.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "collectives/communicator/bootstrap.h"
#include "launch/config/make_communicator_options.h"

namespace cadmus {

class RunConfig;

// A rank's place among the ranks of its host.
struct HostPlace {
  int local_rank = 0;
  int local_size = 1;
};

// The index of the rank's GPU among the `num_visible` that it sees: its local rank. Where it sees
// fewer GPUs than its host has ranks, blocks of neighbours share one; a rank whose launcher has
// left it a single GPU takes that. Requires 1 ≤ num_visible.
int ChooseGpu(const HostPlace& place, int num_visible);

// What a rank tells the others before it opens its GPU.
struct GpuRank {
  std::string gpu;               // its uuid
  int nccl_version = 0;          // as FoundNccl
  bool nccl_shares_gpu = false;  // NCCL may run several ranks on one GPU there
};

// Whether NCCL, of this version and with NCCL_MULTI_RANK_GPU_ENABLE of this value, runs several
// ranks on one GPU.
bool NcclSharesGpus(int nccl_version, const std::string& enabled);

// Every rank's, in rank order. Collective over all ranks; within the config's time limit. Throws
// kConfig where configs differ in what ranks choose by.
std::vector<GpuRank> ExchangeGpuRanks(const GpuRank& mine, const RunConfig& config,
                                      Bootstrap& rank);

struct ChosenTransport {
  TransportKind transport = TransportKind::kInRankOrder;
  std::string words;  // "NCCL 2.30.4", "MPI, staged in host memory: …"
};

// For ranks that are processes. Throws kConfig, with the remedy: where ranks share a GPU and
// device.share_gpu is not set, where NCCL is asked for and cannot be had, and where ranks find
// different versions of it. `nccl_problem` is this rank's (FoundNccl), for the message.
ChosenTransport ChooseTransport(const RunConfig& config, std::span<const GpuRank> ranks,
                                const std::string& nccl_problem);

}  // namespace cadmus
