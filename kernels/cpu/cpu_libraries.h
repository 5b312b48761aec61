// SPDX-License-Identifier: Apache-2.0
// CpuLibraries: the libraries that compute on the processor, and the instructions that they and our
// own kernels use.
#pragma once

#include <string>
#include <vector>

namespace cadmus::cpu {

struct CpuLibraries {
  std::string onednn_built_with;    // "2.6.3"
  std::string onednn;               // loaded: "2.6.3"
  std::string onednn_instructions;  // that it chooses here: "AVX512_CORE_VNNI"
  std::string openblas;             // as it describes itself: "OpenBLAS 0.3.21 … MAX_THREADS=64"
  std::string openblas_core;        // the processor whose kernels it chooses here: "SkylakeX"
  // That our kernels were compiled for, as Linux spells them: "avx2", "avx512f".
  std::vector<std::string> compiled_for;
};

CpuLibraries FindCpuLibraries();

}  // namespace cadmus::cpu
