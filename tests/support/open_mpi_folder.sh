# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/gpu.sh: Open MPI 4.1 beside programs that run where it is not installed; mpirun.sh starts it there.

# pack_open_mpi FOLDER: puts this machine's Open MPI and its PMIx into FOLDER/openmpi, their libraries into FOLDER/lib, and
# mpirun.sh into FOLDER. Fabrics, files and OpenSHMEM stay behind: the ranks share a machine.
pack_open_mpi() {
  local mpi=$1/openmpi prefix plugins plugin pmix
  prefix=$(ompi_info --parsable --path prefix | cut -d: -f3)
  plugins=$(ompi_info --parsable --path pkglibdir | cut -d: -f3)
  mkdir -p "$mpi/bin" "$mpi/share/openmpi" "$mpi/${plugins#"$prefix"/}" "$mpi/pmix/lib" "$mpi/pmix/share"
  cp tests/support/mpirun.sh "$1"
  cp -L "$(command -v mpirun)" "$mpi/bin/mpirun"
  cp "$prefix"/share/openmpi/help-*.txt "$mpi/share/openmpi"
  copy_libraries "$mpi/bin/mpirun" "$1/lib"
  for plugin in "$plugins"/mca_*.so; do
    case ${plugin##*/mca_} in io_* | fs_* | fbtl_* | fcoll_* | sharedfp_*) continue ;; esac
    [[ ! $(ldd "$plugin") =~ lib(fabric|ibverbs|psm|ucp|nl-|oshmem) ]] || continue
    cp "$plugin" "$mpi/${plugins#"$prefix"/}"
    copy_libraries "$plugin" "$1/lib"
  done
  pmix=$(readlink -f "$(ldd "$plugins/mca_pmix_ext3x.so" | awk '$1 ~ /^libpmix/ {print $3}')")
  pmix=${pmix%/lib/*}
  cp -r "$pmix/lib/pmix" "$mpi/pmix/lib"
  cp -r "$pmix/share/pmix" "$mpi/pmix/share"
}
