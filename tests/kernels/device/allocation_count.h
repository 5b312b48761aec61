// SPDX-License-Identifier: Apache-2.0
// Counts the calls of operator new in this test binary: shows that a repeated pattern asks the heap
// for nothing.
#pragma once

#include <cstdint>

namespace cadmus {

// Calls by all threads since the start of the process.
int64_t NumHeapAllocations();

}  // namespace cadmus
