// SPDX-License-Identifier: Apache-2.0
// GoodFacts: a machine with nothing wrong, of which a test spoils one thing.
#pragma once

#include "launch/bench/machine_facts.h"

namespace cadmus {

inline MachineFacts GoodFacts() {
  constexpr int64_t kGiB = int64_t{1} << 30;
  return {.build = {.version = "1.2.3",
                    .compiler = "GNU 12.2.0",
                    .flags = "-O3",
                    .type = "Release",
                    .binary_hash = "abc"},
          .mpi = {.built_with = "Open MPI 4.1.4",
                  .loaded = "Open MPI v4.1.6",
                  .path = "/usr/lib/libmpi.so.40"},
          .libraries = {.onednn_built_with = "2.6.3",
                        .onednn = "2.7.0",
                        .onednn_instructions = "AVX512_CORE_BF16",
                        .openblas = "OpenBLAS 0.3.21",
                        .openblas_core = "SkylakeX",
                        .compiled_for = {"avx2", "avx512f"}},
          .host = {.name = "node-a",
                   .kernel = "Linux 6.1",
                   .processor = "Xeon",
                   .instructions = {"sse2", "avx2", "avx512f", "avx512bw"},
                   .usable_cores = {0, 1, 2, 3},
                   .allowed_cores = {0, 1, 2, 3},
                   .num_physical_cores = 2,
                   .memory_bytes = 64 * kGiB,
                   .available_memory_bytes = 60 * kGiB,
                   .open_files_limit = 65536,
                   .stack_limit = 8 << 20,
                   .processes_limit = 100000,
                   .shared_memory_bytes = 32 * kGiB,
                   .free_shared_memory_bytes = 32 * kGiB,
                   .huge_pages = "always"}};
}

}  // namespace cadmus
