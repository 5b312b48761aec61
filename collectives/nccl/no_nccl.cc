// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl/nccl_bootstrap.h"
#include "kernels/base/error.h"

namespace cadmus {

std::unique_ptr<Bootstrap> StartNccl(Bootstrap&) {
  throw Error(
      Kind::kConfig,
      "this build has no NCCL: run on the CPU (device kind cpu, communicator local or mpi), "
      "or build with -DCADMUS_NCCL=ON where NCCL is installed");
}

}  // namespace cadmus
