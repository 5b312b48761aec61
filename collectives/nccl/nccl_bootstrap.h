// SPDX-License-Identifier: Apache-2.0
// StartNccl: collectives among GPUs by NCCL. A build without NCCL has only a refusal.
#pragma once

#include <memory>

#include "collectives/communicator/bootstrap.h"

namespace cadmus {

// Makes NCCL communicators for the ranks that `host` has brought together; `host` must outlive it.
// Throws kConfig in a build without NCCL.
std::unique_ptr<Bootstrap> StartNccl(Bootstrap& host);

}  // namespace cadmus
