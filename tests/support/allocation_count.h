// SPDX-License-Identifier: Apache-2.0
// NumAllocations: how often the program has asked the heap through operator new. Linking this
// replaces operator new of the whole test program.
#pragma once

#include <cstdint>

namespace cadmus {

int64_t NumAllocations();

}  // namespace cadmus
