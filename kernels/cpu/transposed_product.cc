// SPDX-License-Identifier: Apache-2.0
// A block of B is packed by panels of up to 48 columns and stays in the second-level cache; 64
// columns of A at a time are packed by panels of eight, each of which passes over the block and
// stays in the first (after Goto and van de Geijn, "Anatomy of High-Performance Matrix
// Multiplication", 2008).
#include "kernels/cpu/transposed_product.h"

#include "kernels/base/error.h"

#ifdef __AVX512F__
#include <immintrin.h>

#include <algorithm>
#include <memory>
#endif

namespace cadmus::cpu {

#ifdef __AVX512F__
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kTileRows = 8;
constexpr int64_t kTileVectors = 3;  // 8 x 3 sums, 3 vectors of B and one of A: 28 registers of 32
constexpr int64_t kBlockTerms = 512;
constexpr int64_t kBlockColumns = 384;
constexpr int64_t kPackedRows = 64;  // of Aᵀ: whole cache lines of A
// Between packed panels: those a power of two apart would share a few sets of the first-level cache.
constexpr int64_t kPanelPadding = 16;
// How far ahead operands are prefetched: their rows lie in different pages, which the processor does
// not foresee. Prefetching past an operand is harmless.
constexpr int64_t kRowsAhead = 24;
constexpr int64_t kTermsAhead = 8;

// Each thread packs into memory of its own: taken once, outside of the device's slab, a size that
// no shape changes.
struct Scratch {
  alignas(64) float b[kBlockColumns * kBlockTerms];
  alignas(64) float a[kPackedRows / kTileRows * (kTileRows * kBlockTerms + kPanelPadding)];
};

Scratch& ThreadScratch() {
  static thread_local const auto scratch = std::make_unique_for_overwrite<Scratch>();
  return *scratch;
}

void Prefetch(const float* at) { _mm_prefetch(at, _MM_HINT_T0); }

// The first `count` lanes, at most all.
__mmask16 FirstLanes(int64_t count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xffff : (1 << count) - 1);
}

int64_t NumVectors(int64_t columns) { return (columns + kLanes - 1) / kLanes; }

// Where the panel of A begins that has this row of Aᵀ.
int64_t PanelOfA(int64_t row, int64_t depth) {
  return row % kPackedRows / kTileRows * (kTileRows * depth + kPanelPadding);
}

// Up to kPackedRows columns of `depth` rows as panels [depth, kTileRows], zeros behind the last.
void PackA(const Rows<const float>& from, int64_t depth, int64_t columns, float* to) {
  for (int64_t d = 0; d < depth; ++d) {
    const float* row = from.row(d);
    const float* ahead = from.row(d + kRowsAhead);
    for (int64_t i = 0; i < columns; i += kLanes) Prefetch(ahead + i);
    for (int64_t i = 0; i < columns; i += kLanes) {
      const __m512 values = _mm512_maskz_loadu_ps(FirstLanes(columns - i), row + i);
      float* packed = to + d * kTileRows;
      _mm256_store_ps(packed + PanelOfA(i, depth), _mm512_castps512_ps256(values));
      _mm256_store_ps(packed + PanelOfA(i + kTileRows, depth),
                      _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(values), 1)));
    }
  }
}

// `columns` columns of `depth` rows as one panel [depth, width], zeros behind the last.
void PackPanelOfB(const Rows<const float>& from, int64_t depth, int64_t columns, int64_t width,
                  float* to) {
  for (int64_t d = 0; d < depth; ++d) {
    const float* row = from.row(d);
    const float* ahead = from.row(d + kRowsAhead);
    for (int64_t i = 0; i < columns; i += kLanes) Prefetch(ahead + i);
    for (int64_t i = 0; i < columns; i += kLanes) {
      _mm512_store_ps(to + i, _mm512_maskz_loadu_ps(FirstLanes(columns - i), row + i));
    }
    to += width;
  }
}

struct TileOutput {
  Rows<float> c;
  int64_t num_rows, num_columns;
  float alpha, beta;
};

template <int kVectors, bool kAdd>
void StoreTile(const __m512 (&sums)[kTileRows][kVectors], const TileOutput& out) {
  const __mmask16 last = FirstLanes(out.num_columns - (kVectors - 1) * kLanes);
  const __m512 alpha = _mm512_set1_ps(out.alpha), beta = _mm512_set1_ps(out.beta);
#pragma GCC unroll 8
  for (int i = 0; i < kTileRows; ++i) {
    if (i == out.num_rows) return;
#pragma GCC unroll 3
    for (int j = 0; j < kVectors; ++j) {
      float* at = out.c.row(i) + j * kLanes;
      const __mmask16 mask = j + 1 < kVectors ? FirstLanes(kLanes) : last;
      __m512 value = _mm512_mul_ps(alpha, sums[i][j]);
      if constexpr (kAdd) {
        value = _mm512_fmadd_ps(beta, _mm512_maskz_loadu_ps(mask, at), value);
      }
      _mm512_mask_storeu_ps(at, mask, value);
    }
  }
}

// A panel of A by a panel of B. Rows and columns that do not exist are computed as zeros and not
// stored.
template <int kVectors>
void MicroTile(const float* a, const float* b, int64_t depth, const TileOutput& out) {
  __m512 sums[kTileRows][kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kTileRows; ++i) {
#pragma GCC unroll 3
    for (int j = 0; j < kVectors; ++j) sums[i][j] = _mm512_setzero_ps();
  }
  for (int64_t i = 0; i < out.num_rows; ++i) {
    for (int j = 0; j < kVectors; ++j) __builtin_prefetch(out.c.row(i) + j * kLanes, 1);
  }
  for (int64_t d = 0; d < depth; ++d) {
    __m512 columns[kVectors];
#pragma GCC unroll 3
    for (int j = 0; j < kVectors; ++j) {
      columns[j] = _mm512_load_ps(b + j * kLanes);
      Prefetch(b + (kTermsAhead * kVectors + j) * kLanes);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kTileRows; ++i) {
      const __m512 value = _mm512_set1_ps(a[i]);
#pragma GCC unroll 3
      for (int j = 0; j < kVectors; ++j) {
        sums[i][j] = _mm512_fmadd_ps(value, columns[j], sums[i][j]);
      }
    }
    a += kTileRows;
    b += kVectors * kLanes;
  }
  if (out.beta == 0) {
    StoreTile<kVectors, false>(sums, out);
  } else {
    StoreTile<kVectors, true>(sums, out);
  }
}

void MicroTile(int64_t vectors, const float* a, const float* b, int64_t depth,
               const TileOutput& out) {
  switch (vectors) {
    case 1:
      return MicroTile<1>(a, b, depth, out);
    case 2:
      return MicroTile<2>(a, b, depth, out);
    default:
      return MicroTile<3>(a, b, depth, out);
  }
}

// Columns [column, column + columns) of C, and terms [k, k + depth) of its sums.
struct Block {
  int64_t column, columns;
  int64_t k, depth;

  // Panels of 3 vectors, and of 2 and 2 rather than of 3 and 1. Calls body(first column, columns,
  // vectors, where the panel begins in the packed block).
  template <class Body>
  void ForEachPanel(Body&& body) const {
    for (int64_t at = 0; at < columns;) {
      const int64_t left = NumVectors(columns - at);
      const int64_t vectors = left == 4 ? 2 : std::min(left, kTileVectors);
      body(column + at, std::min(columns - at, vectors * kLanes), vectors, at * depth);
      at += vectors * kLanes;
    }
  }
};

void MultiplyBlock(const Product<float>& p, const Block& block) {
  Scratch& scratch = ThreadScratch();
  block.ForEachPanel([&](int64_t column, int64_t columns, int64_t vectors, int64_t packed) {
    PackPanelOfB({p.b.row(block.k) + column, p.b.stride}, block.depth, columns, vectors * kLanes,
                 scratch.b + packed);
  });
  const float beta = block.k == 0 ? p.beta : 1;
  for (int64_t row = 0; row < p.m; row += kTileRows) {
    if (row % kPackedRows == 0) {
      PackA({p.a.row(block.k) + row, p.a.stride}, block.depth, std::min(kPackedRows, p.m - row),
            scratch.a);
    }
    const float* a = scratch.a + PanelOfA(row, block.depth);
    const int64_t num_rows = std::min(kTileRows, p.m - row);
    block.ForEachPanel([&](int64_t column, int64_t columns, int64_t vectors, int64_t packed) {
      MicroTile(vectors, a, scratch.b + packed, block.depth,
                {{p.c.row(row) + column, p.c.stride}, num_rows, columns, p.alpha, beta});
    });
  }
}

}  // namespace

bool HasTransposedProduct() { return true; }

void MultiplyTransposed(const Product<float>& p) {
  // Equal parts of the sums, so that no block is left with a few terms.
  const int64_t num_parts = (p.k + kBlockTerms - 1) / kBlockTerms;
  const int64_t depth = (p.k + num_parts - 1) / num_parts;
  for (int64_t column = 0; column < p.n; column += kBlockColumns) {
    const int64_t columns = std::min(kBlockColumns, p.n - column);
    for (int64_t k = 0; k < p.k; k += depth) {
      MultiplyBlock(p, {column, columns, k, std::min(depth, p.k - k)});
    }
  }
}

#else

bool HasTransposedProduct() { return false; }

void MultiplyTransposed(const Product<float>& /*p*/) {
  CADMUS_UNREACHABLE("a product for AVX-512 in a build without it");
}

#endif

}  // namespace cadmus::cpu
