// SPDX-License-Identifier: Apache-2.0
// StartMpi: ranks that mpirun or srun has started. One thread of the process, its communication
// worker, initialises MPI (FUNNELED), makes all of its calls, and finalises it.
#pragma once

#include <memory>

#include "collectives/communicator/bootstrap.h"

namespace cadmus {

// Once per process; collective. Without mpirun the world has one rank. Groups cannot be revoked or
// rebuilt (Open MPI 4.1). The end of the bootstrap waits for all ranks, at most the time limit of
// the groups; after a failure, or while an exception is on its way, MPI is left as it is, since
// MPI_Finalize would wait for the lost ranks: the exit of the process then makes mpirun end the
// others. Throws kCommunication if MPI does not start.
std::unique_ptr<Bootstrap> StartMpi();

}  // namespace cadmus
