// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/gemm_choice.h"

#include <algorithm>

#include "kernels/base/error.h"

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

GemmLibrary ChooseGemmLibrary(const GemmSpec& spec, const DeviceProperties& properties) {
  switch (spec.dtype) {
    case DType::kF64:
      return GemmLibrary::kOpenBlas;
    case DType::kF32:
      return GemmLibrary::kOneDnn;
    case DType::kBF16:
      // Without the instructions oneDNN emulates them: slower than to widen and multiply in f32.
      return properties.bf16_products ? GemmLibrary::kOneDnnBf16 : GemmLibrary::kConvertedBf16;
    default:
      CADMUS_UNREACHABLE(StrCat("products of ", Name(spec.dtype)));
  }
}

std::string_view Name(GemmLibrary library) {
  switch (library) {
    case GemmLibrary::kOpenBlas:
      return "OpenBLAS";
    case GemmLibrary::kOneDnn:
      return "oneDNN";
    case GemmLibrary::kOneDnnBf16:
      return "oneDNN bf16";
    case GemmLibrary::kConvertedBf16:
      return "oneDNN on bf16 widened to f32";
  }
  CADMUS_UNREACHABLE("a value of GemmLibrary");
}

std::string ReasonForBf16Library(const DeviceProperties& properties) {
  return properties.bf16_products
             ? "bf16: the processor has AVX512-BF16 or AMX: products are made by oneDNN in bf16"
             : "bf16: the processor has neither AVX512-BF16 nor AMX: blocks are widened to f32 and "
               "multiplied in f32, so bf16 saves memory here and no time";
}

}  // namespace cadmus
