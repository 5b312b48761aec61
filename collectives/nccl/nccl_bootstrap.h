// SPDX-License-Identifier: Apache-2.0
// StartNccl: collectives among GPUs by NCCL. A build without NCCL has only a refusal.
#pragma once

#include <memory>
#include <string>

#include "collectives/communicator/bootstrap.h"

namespace cadmus {

// What this process finds of NCCL.
struct FoundNccl {
  int version = 0;      // 22809 is 2.28.9; 0: none that this program can use
  std::string problem;  // why, with the remedy
};
FoundNccl FindNccl();

// "NCCL 2.28.9"
std::string NcclVersionInWords(int version);

// Makes NCCL communicators for the ranks that `host` (local or mpi) has brought together, and by
// which they exchange NCCL's ids; `host` must outlive it. Throws kConfig in a build without NCCL,
// and where libnccl.so.2 is missing or too old.
std::unique_ptr<Bootstrap> StartNccl(Bootstrap& host);

}  // namespace cadmus
