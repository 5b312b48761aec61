// SPDX-License-Identifier: Apache-2.0
// SumInRankOrder: the only sum of the CPU back ends' collectives.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/dtype.h"

namespace cadmus {

// output[i] = ((inputs[0][i] + inputs[1][i]) + inputs[2][i]) + …, for i in [0, count), in `dtype`
// (kF64 or kF32); kBF16 is summed in f32 and rounded once. At least one input; `output` may be one
// of them, otherwise nothing overlaps.
void SumInRankOrder(DType dtype, std::span<const void* const> inputs, void* output, int64_t count);

}  // namespace cadmus
