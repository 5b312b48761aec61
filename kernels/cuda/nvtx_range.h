// SPDX-License-Identifier: Apache-2.0
// NvtxRange: a named span of host time for a profiler; costs next to nothing without one.
#pragma once

#include <nvtx3/nvToolsExt.h>

namespace cadmus::cuda {

class NvtxRange {
 public:
  explicit NvtxRange(const char* name) { nvtxRangePushA(name); }
  NvtxRange(const NvtxRange&) = delete;
  NvtxRange& operator=(const NvtxRange&) = delete;
  ~NvtxRange() { nvtxRangePop(); }
};

}  // namespace cadmus::cuda
