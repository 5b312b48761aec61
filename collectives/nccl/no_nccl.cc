// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl/nccl_bootstrap.h"
#include "kernels/base/error.h"

namespace cadmus {

FoundNccl FindNccl() {
  return {.problem =
              "this build has no NCCL: set communication.transport = MPI, or build with "
              "-DCADMUS_NCCL=ON where NCCL is installed"};
}

std::unique_ptr<Bootstrap> StartNccl(Bootstrap&) { throw Error(Kind::kConfig, FindNccl().problem); }

}  // namespace cadmus
