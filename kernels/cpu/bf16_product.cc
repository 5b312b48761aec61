// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/bf16_product.h"

#include <algorithm>
#include <memory>

namespace cadmus::cpu {
namespace {

// A tile of a gemm or of attention is one block of C. Over 384 terms the f32 product has paid for
// packing its operands; widening them costs one read and one write an element.
constexpr int64_t kBlock = 512;
constexpr int64_t kTermsPerBlock = 384;
// Between rows of a widened operand: rows that lie a power of two apart share too few cache sets.
constexpr int64_t kPadding = 16;

// Each thread widens into memory of its own, as the library packs into its own: taken once, outside
// of the device's slab, a size that no shape changes.
struct Scratch {
  alignas(64) float a[(kBlock + kPadding) * (kTermsPerBlock + kPadding)];
  alignas(64) float b[(kBlock + kPadding) * (kTermsPerBlock + kPadding)];
  alignas(64) float c[kBlock * (kBlock + kPadding)];
};

Scratch& ThreadScratch() {
  static thread_local const auto scratch = std::make_unique_for_overwrite<Scratch>();
  return *scratch;
}

void Widen(const BFloat16* __restrict from, int64_t n, float* __restrict to) {
  for (int64_t i = 0; i < n; ++i) to[i] = from[i];
}

// The part [row, row + num_rows) × [column, column + num_columns) of op(operand), stored alike.
Rows<const float> WidenPart(const Rows<const BFloat16>& stored, Transpose transpose, int64_t row,
                            int64_t num_rows, int64_t column, int64_t num_columns, float* to) {
  if (transpose == Transpose::kYes) {
    std::swap(row, column);
    std::swap(num_rows, num_columns);
  }
  const int64_t stride = (num_columns + kPadding - 1) / kPadding * kPadding + kPadding;
  for (int64_t i = 0; i < num_rows; ++i) {
    Widen(stored.row(row + i) + column, num_columns, to + i * stride);
  }
  return {to, stride};
}

// One block of C, of f32.
void MultiplyBlock(const Product<BFloat16, float>& p, int64_t row, int64_t column) {
  Scratch& scratch = ThreadScratch();
  Product<float> block = {.transpose_a = p.transpose_a,
                          .transpose_b = p.transpose_b,
                          .m = std::min(kBlock, p.m - row),
                          .n = std::min(kBlock, p.n - column),
                          .alpha = p.alpha,
                          .a = {},
                          .b = {},
                          .beta = p.beta,
                          .c = {p.c.row(row) + column, p.c.stride}};
  int64_t term = 0;
  do {
    block.k = std::min(kTermsPerBlock, p.k - term);
    block.a = WidenPart(p.a, p.transpose_a, row, block.m, term, block.k, scratch.a);
    block.b = WidenPart(p.b, p.transpose_b, term, block.k, column, block.n, scratch.b);
    Multiply(block);
    block.beta = 1;
    term += block.k;
  } while (term < p.k);
}

// What is added to the products: beta · C, and the bias.
void StartSums(const Product<BFloat16, BFloat16>& p, const BFloat16* bias, int64_t row,
               int64_t column, const Product<BFloat16, float>& block) {
  for (int64_t i = 0; i < block.m; ++i) {
    const BFloat16* const from = p.c.row(row + i) + column;
    float* const to = block.c.row(i);
    if (p.beta == 0) {
      Widen(bias + column, block.n, to);
      continue;
    }
    for (int64_t j = 0; j < block.n; ++j) {
      to[j] = p.beta * from[j] + (bias == nullptr ? 0.0F : float{bias[column + j]});
    }
  }
}

}  // namespace

void Multiply(const Product<BFloat16, float>& p) {
  for (int64_t row = 0; row < p.m; row += kBlock) {
    for (int64_t column = 0; column < p.n; column += kBlock) MultiplyBlock(p, row, column);
  }
}

void Multiply(const Product<BFloat16, BFloat16>& p, const BFloat16* bias) {
  for (int64_t row = 0; row < p.m; row += kBlock) {
    for (int64_t column = 0; column < p.n; column += kBlock) {
      Product<BFloat16, float> block = {
          .transpose_a = p.transpose_a,
          .transpose_b = p.transpose_b,
          .m = std::min(kBlock, p.m - row),
          .n = std::min(kBlock, p.n - column),
          .k = p.k,
          .alpha = p.alpha,
          .a = p.transpose_a == Transpose::kYes ? Rows<const BFloat16>{p.a.data + row, p.a.stride}
                                                : p.a.From(row),
          .b = p.transpose_b == Transpose::kYes
                   ? p.b.From(column)
                   : Rows<const BFloat16>{p.b.data + column, p.b.stride},
          .c = {ThreadScratch().c, kBlock + kPadding}};
      const bool adds = p.beta != 0 || bias != nullptr;
      if (adds) StartSums(p, bias, row, column, block);
      block.beta = adds ? 1.0F : 0.0F;
      Multiply(block);
      for (int64_t i = 0; i < block.m; ++i) {
        std::transform(block.c.row(i), block.c.row(i) + block.n, p.c.row(row + i) + column,
                       [](float sum) { return static_cast<BFloat16>(sum); });
      }
    }
  }
}

}  // namespace cadmus::cpu
