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

// A tile of kTransposedAvx512 is at most one block of packed B wide; from this height on the packing
// is paid for.
constexpr int64_t kOwnTileRows = 512;
constexpr int64_t kOwnTileColumns = 384;
constexpr int64_t kOwnSmallestTile = 96;
// Of m, n and k, from which packing pays; rows of A or B from which it pays more than in oneDNN,
// which is faster by a tenth where they are shorter, and slower by a tenth to a third beyond.
constexpr int64_t kSmallestOwnExtent = 64;
constexpr int64_t kLongOwnRow = 1536;
constexpr int64_t kOwnColumnStep = 48;  // columns of a micro-tile

// Parts of equal size, rounded up to whole steps.
int64_t TileExtent(int64_t extent, int64_t parts, int64_t step) {
  return std::min(extent, DivideUp(DivideUp(extent, parts), step) * step);
}

GemmTiles CutInto(const GemmSpec& spec, int64_t tile_m, int64_t tile_n) {
  return {tile_m, tile_n, DivideUp(spec.m, tile_m), DivideUp(spec.n, tile_n)};
}

// Many more tasks than most processors have threads.
GemmTiles ChooseLibraryTiles(const GemmSpec& spec) {
  int64_t parts_m = DivideUp(spec.m, kLargestTile);
  int64_t parts_n = DivideUp(spec.n, kLargestTile);
  for (;;) {
    const int64_t m = TileExtent(spec.m, parts_m, 16);
    const int64_t n = TileExtent(spec.n, parts_n, 16);
    const GemmTiles tiles = CutInto(spec, m, n);
    const int64_t tasks = spec.batch * tiles.num_m * tiles.num_n;
    const int64_t longer = std::max(m, n);
    const int64_t work = m * n * spec.k + 8 * (m * spec.k + spec.k * n + m * n);
    const int64_t wanted = longer > kGoodTile ? kManyTasks : kFewTasks;
    if (tasks >= wanted || longer <= kSmallestTile || work < 2 * kSmallestWork) return tiles;
    (m >= n ? parts_m : parts_n) *= 2;
  }
}

// As large as they can be while every thread has its share: each tile packs its own operands.
GemmTiles ChooseOwnTiles(const GemmSpec& spec, int64_t threads) {
  int64_t parts_m = DivideUp(spec.m, kOwnTileRows);
  int64_t parts_n = DivideUp(spec.n, kOwnTileColumns);
  for (;;) {
    const int64_t m = TileExtent(spec.m, parts_m, 16);
    const int64_t n = TileExtent(spec.n, parts_n, kOwnColumnStep);
    const GemmTiles tiles = CutInto(spec, m, n);
    const int64_t tasks = spec.batch * tiles.num_m * tiles.num_n;
    const bool is_shared = tasks >= 4 * threads || (tasks >= threads && tasks % threads == 0);
    if (is_shared || std::max(m, n) <= kOwnSmallestTile) return tiles;
    (m >= n ? parts_m : parts_n) += 1;
  }
}

}  // namespace

GemmTiles ChooseGemmTiles(const GemmSpec& spec, const DeviceProperties& properties) {
  if (spec.m == 0 || spec.n == 0) return {};
  return ChooseGemmLibrary(spec, properties) == GemmLibrary::kTransposedAvx512
             ? ChooseOwnTiles(spec, properties.compute_units)
             : ChooseLibraryTiles(spec);
}

GemmLibrary ChooseGemmLibrary(const GemmSpec& spec, const DeviceProperties& properties) {
  switch (spec.dtype) {
    case DType::kF64:
      return GemmLibrary::kOpenBlas;
    case DType::kF32: {
      const bool pays = std::min({spec.m, spec.n, spec.k}) >= kSmallestOwnExtent &&
                        std::max(spec.m, spec.n) >= kLongOwnRow;
      const bool is_own = properties.avx512 && pays && spec.transpose_a == Transpose::kYes &&
                          spec.transpose_b == Transpose::kNo;
      return is_own ? GemmLibrary::kTransposedAvx512 : GemmLibrary::kOneDnn;
    }
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
    case GemmLibrary::kTransposedAvx512:
      return "our own AVX-512";
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
