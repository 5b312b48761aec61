// SPDX-License-Identifier: Apache-2.0
// MpiWorld: the bootstrap of a test program that mpirun starts; tests/support/mpi_main.cc, which
// such programs link in place of GoogleTest's main, makes it and ends it. Every rank runs the same
// tests in the same order.
#pragma once

#include "collectives/communicator/bootstrap.h"

namespace cadmus {

Bootstrap& MpiWorld();

}  // namespace cadmus
