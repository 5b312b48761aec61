#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# mpirun.sh RANKS COMMAND...: runs a command on so many ranks of this machine, as root or not, more ranks than cores or
# not, through shared memory, yielding the core while it waits.
set -euo pipefail
ranks=$1
shift
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
exec mpirun -np "$ranks" --oversubscribe --bind-to none --mca btl self,vader --mca pml ob1 \
  --mca mpi_yield_when_idle 1 --mca btl_vader_single_copy_mechanism none "$@"
