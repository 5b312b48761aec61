// SPDX-License-Identifier: Apache-2.0
// StartNccl: collectives among GPUs by NCCL. A build without NCCL has only a refusal.
#pragma once

#include <memory>

#include "collectives/communicator/bootstrap.h"

namespace cadmus {

// Makes NCCL communicators for the ranks that `host` (local or mpi) has brought together, and by
// which they exchange NCCL's ids; `host` must outlive it. Throws kConfig in a build without NCCL,
// and where libnccl.so.2 is missing or too old.
std::unique_ptr<Bootstrap> StartNccl(Bootstrap& host);

}  // namespace cadmus
