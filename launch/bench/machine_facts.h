// SPDX-License-Identifier: Apache-2.0
// MachineFacts: what this process finds out about its build, its libraries and its machine. Plain
// values: the judgement of them is elsewhere, so that every machine can be judged in a test.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "collectives/mpi/mpi_library.h"
#include "kernels/cpu/cpu_libraries.h"
#include "kernels/device/gpu.h"
#include "launch/bench/launcher.h"

namespace cadmus {

struct BuildFacts {
  std::string version, compiler, flags, type;
  std::string sanitizers;  // empty: none
  bool has_cuda = false, has_nccl = false;
  std::string binary_hash;  // ContentHash of the program's file
};

// A library that is looked for by name when the program runs.
struct FoundLibrary {
  bool is_found = false;
  std::string version;  // empty if it does not say one
};

inline constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

struct HostFacts {
  std::string name;
  bool name_resolves = true;
  std::string kernel;                     // "Linux 6.1.0-18-amd64"
  std::string processor;                  // as it calls itself
  std::vector<std::string> instructions;  // its flags, as Linux spells them
  // Numbers of the cores (hardware threads): those that are online and that the control group
  // gives, and those of them that this process is bound to.
  std::vector<int> usable_cores, allowed_cores;
  int num_physical_cores = 0;  // of the machine
  double cpu_quota = 0;        // of the control group, in cores; 0: none
  int num_numa_nodes = 1;
  int64_t memory_bytes = 0, available_memory_bytes = 0;
  int64_t memory_limit_bytes = kUnlimited;  // of the control group
  // Soft limits of the process.
  int64_t locked_memory_limit = kUnlimited, open_files_limit = kUnlimited, stack_limit = kUnlimited;
  int64_t processes_limit = kUnlimited;                           // the control group's too
  int64_t shared_memory_bytes = 0, free_shared_memory_bytes = 0;  // of /dev/shm
  std::string huge_pages;  // "always", "madvise", "never"; empty: the kernel has none
  bool has_infiniband = false;
  int num_nvidia_devices = 0;
};

struct MachineFacts {
  BuildFacts build;
  MpiLibrary mpi;
  cpu::CpuLibraries libraries;
  FoundLibrary cuda_driver, nccl;
  HostFacts host;
  Launch launch;
  std::vector<Gpu> gpus;        // that this process may open
  int rank = 0, num_ranks = 1;  // as MPI says
  int rank_of_host = 0, num_ranks_of_host = 1;
};

}  // namespace cadmus
