// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/gemm_choice.h"

#include <algorithm>

namespace cadmus {
namespace {

constexpr int64_t DivideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Each task packs its own copies of a row block of A and a column block of B. Up to 512 × 512 that
// costs less than what larger tiles lose in cache misses; down to 256 × 256 a few per cent of the
// rate, down to 128 × 128 about a tenth.
constexpr int64_t kLargestTile = 512;
constexpr int64_t kGoodTile = 256;
constexpr int64_t kSmallestTile = 128;
// Tasks that keep many threads busy; tasks below which even a few threads wait for the last one.
constexpr int64_t kManyTasks = 64;
constexpr int64_t kFewTasks = 16;
// Work that is not worth a hand-over to another thread (a few microseconds), in multiply-adds; an
// element read or written counts as eight of them, which is what limits thin products.
constexpr int64_t kSmallestWork = int64_t{1} << 19;

// Parts of equal size, rounded up to whole vectors.
int64_t TileExtent(int64_t extent, int64_t parts) {
  return std::min(extent, DivideUp(DivideUp(extent, parts), 16) * 16);
}

}  // namespace

GemmTiles ChooseGemmTiles(const GemmSpec& spec) {
  if (spec.m == 0 || spec.n == 0) return {};
  int64_t parts_m = DivideUp(spec.m, kLargestTile);
  int64_t parts_n = DivideUp(spec.n, kLargestTile);
  for (;;) {
    const int64_t m = TileExtent(spec.m, parts_m);
    const int64_t n = TileExtent(spec.n, parts_n);
    const int64_t tasks = spec.batch * DivideUp(spec.m, m) * DivideUp(spec.n, n);
    const int64_t longer = std::max(m, n);
    const int64_t work = m * n * spec.k + 8 * (m * spec.k + spec.k * n + m * n);
    const int64_t wanted = longer > kGoodTile ? kManyTasks : kFewTasks;
    if (tasks >= wanted || longer <= kSmallestTile || work < 2 * kSmallestWork) {
      return {m, n, DivideUp(spec.m, m), DivideUp(spec.n, n)};
    }
    (m >= n ? parts_m : parts_n) *= 2;
  }
}

}  // namespace cadmus
