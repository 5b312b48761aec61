// SPDX-License-Identifier: Apache-2.0
// The last guard before indices that come from data address memory. The host has validated them.
#pragma once

#include <cstdint>

#include "kernels/base/error.h"

namespace cadmus::cpu {

// Requires indices[i] in [0, limit) for every i in [0, n); failures name `what` and i.
inline void CheckIndices(const char* what, const int32_t* indices, int64_t n, int64_t limit) {
  for (int64_t i = 0; i < n; ++i) {
    CADMUS_CHECK(indices[i] >= 0 && indices[i] < limit,
                 StrCat(what, " ", indices[i], " at ", i, " is outside [0, ", limit, ")"));
  }
}

}  // namespace cadmus::cpu
