// SPDX-License-Identifier: Apache-2.0
// How the element-wise and row-wise kernels split their work: into pieces of a size fixed by shape.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/thread_pool.h"

namespace cadmus::cpu {

// Enough to hide the cost of handing out a task, little enough to stay in a second-level cache.
inline constexpr int64_t kElementsPerTask = 16384;

constexpr int64_t RowsPerTask(int64_t width) {
  return std::max<int64_t>(1, kElementsPerTask / std::max<int64_t>(1, width));
}

// Calls body(begin, end) for [0, piece), [piece, 2 piece), … of [0, n), in any order.
template <class Body>
void ForPieces(ThreadPool& pool, int64_t n, int64_t piece, const Body& body) {
  pool.ParallelFor((n + piece - 1) / piece,
                   [&](int64_t task) { body(task * piece, std::min(n, (task + 1) * piece)); });
}

}  // namespace cadmus::cpu
