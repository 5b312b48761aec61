// SPDX-License-Identifier: Apache-2.0
// The cpu's choice for a gemm: what multiplies, and into which tiles of C it is cut. A pure function
// of spec and properties. Results are the same for any number of threads: tiles depend on it only
// where an element's bits do not depend on the tiles.
#pragma once

#include "kernels/ops/gemm.h"

namespace cadmus {

// One task of the pool computes one tile of one batch entry.
struct GemmTiles {
  int64_t tile_m = 1, tile_n = 1;
  int64_t num_m = 0, num_n = 0;  // tiles along each dim; 0 where C is empty
};

enum class GemmLibrary : uint8_t {
  kOpenBlas,          // f64
  kOneDnn,            // f32
  kTransposedAvx512,  // f32 with A transposed: our own
  kOneDnnBf16,        // bf16 as it is
  kConvertedBf16,     // bf16, widened block by block for oneDNN's f32 product
};

GemmLibrary ChooseGemmLibrary(const GemmSpec& spec, const DeviceProperties& properties);

GemmTiles ChooseGemmTiles(const GemmSpec& spec, const DeviceProperties& properties);

// "oneDNN bf16", as kernels are named.
std::string_view Name(GemmLibrary library);
// Why products of bf16 are made as they are on such a cpu, in a sentence for the log.
std::string ReasonForBf16Library(const DeviceProperties& properties);

}  // namespace cadmus
