// SPDX-License-Identifier: Apache-2.0
// ConvertElements: between the element types of published weights and of ours.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/base/dtype.h"

namespace cadmus {

// F32, F16 or BF16 to F32, exactly; to BF16, rounded to the nearest, ties to even; any type to
// itself.
bool CanConvert(DType from, DType to);

// As many elements as `in` holds. Requires CanConvert.
void ConvertElements(DType from, std::span<const std::byte> in, DType to, std::span<std::byte> out);

}  // namespace cadmus
