// SPDX-License-Identifier: Apache-2.0
// The cpu's choice for a gemm: into which tiles of C it is cut. A pure function of the spec, never
// of the number of threads, so that results are the same for any number; k is never split.
#pragma once

#include "kernels/ops/gemm.h"

namespace cadmus {

// One task of the pool computes one tile of one batch entry.
struct GemmTiles {
  int64_t tile_m = 1, tile_n = 1;
  int64_t num_m = 0, num_n = 0;  // tiles along each dim; 0 where C is empty
};

GemmTiles ChooseGemmTiles(const GemmSpec& spec);

}  // namespace cadmus
