// SPDX-License-Identifier: Apache-2.0
// First values of parameters. They depend on (seed, name, global element index) only: element i of
// a normal parameter is normal i % 4 of Philox(DeriveKey(seed, 0, SiteOf(name)), i / 4), so every
// layout starts from the same weights.
#pragma once

#include <cstdint>

#include "kernels/device/device.h"
#include "runtime/mesh/flat_split.h"
#include "runtime/nn/parameter.h"

namespace cadmus {

// The first values of one parameter as f64, global elements [begin, begin + count).
void FillInitialValues(const Parameter& parameter, uint64_t seed, int64_t begin, int64_t count,
                       double* out);

// Writes the first values of the elements `range` of the parameter's local tensor to `weight_N`
// (range.extent elements, F64, F32 or BF16); padding becomes 0. Blocks until they are on the
// device. Issues nothing to a device that holds no values.
void WriteInitialValues(const Parameter& parameter, uint64_t seed, const FlatRange& range,
                        const TensorView& weight_N, Stream& stream);

}  // namespace cadmus
