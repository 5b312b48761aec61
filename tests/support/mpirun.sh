#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# mpirun.sh RANKS COMMAND...: runs a command on so many ranks of this machine, as root or not, more ranks than cores or
# not, through shared memory, yielding the core while it waits. By the Open MPI beside it, where one was packed
# (open_mpi_folder.sh), else by the machine's.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ranks=$1
shift
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
mpirun=(mpirun)
if [[ -d $here/openmpi ]]; then
  export OPAL_PREFIX=$here/openmpi PMIX_INSTALL_PREFIX=$here/openmpi/pmix
  export LD_LIBRARY_PATH=$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  mpirun=("$here/openmpi/bin/mpirun" --mca plm isolated)
fi
exec "${mpirun[@]}" -np "$ranks" --oversubscribe --bind-to none --mca btl self,vader --mca pml ob1 \
  --mca mpi_yield_when_idle 1 --mca btl_vader_single_copy_mechanism none "$@"
