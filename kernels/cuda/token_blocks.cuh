// SPDX-License-Identifier: Apache-2.0
// Sums over rows (kernels/ops/token_blocks.h) by blocks of threads: threads side by side have a
// pack of columns each, and those that share one take turns at the rows. What they have summed up
// is then added in the order of their turns, so that the order depends on nothing but the shape.
//
//   S sums[1][N] = {};
//   if (!SumRows(blocks, sums, [&](int64_t row, int64_t d, auto& to) { … })) return;
//   StorePartials(blocks, sums, partials);
#pragma once

#include <algorithm>
#include <bit>

#include "kernels/cuda/launch_kernel.cuh"
#include "kernels/ops/token_blocks.h"

namespace cadmus::cuda {

struct TokenBlocks {
  int64_t num_rows = 0, width = 0;
  int64_t rows_per_block = 0;
  int packs = kThreads;  // side by side in a block of threads: a power of two
};

// Of columns that come in packs of `length`.
inline TokenBlocks TokenBlocksOf(int64_t num_rows, int64_t width, int length) {
  constexpr int64_t kFewestPacks = 8;  // beyond that, turns outnumber the rows
  const int64_t packs = std::clamp<int64_t>(width / length, kFewestPacks, kThreads);
  return {.num_rows = num_rows,
          .width = width,
          .rows_per_block = TokensPerBlock(num_rows),
          .packs = static_cast<int>(std::bit_ceil(static_cast<uint64_t>(packs)))};
}

inline Grid GridOf(const TokenBlocks& blocks, int length) {
  return {.x = DivideUp(blocks.width / length, blocks.packs),
          .y = static_cast<int>(DivideUp(blocks.num_rows, blocks.rows_per_block))};
}

template <int N>
__device__ inline int64_t FirstColumn(const TokenBlocks& blocks) {
  const int pack = static_cast<int>(threadIdx.x) % blocks.packs;
  return (static_cast<int64_t>(blockIdx.x) * blocks.packs + pack) * N;
}

// Calls add(row, FirstColumn, sums) for the rows of block blockIdx.y. True in the threads that hold
// the sums of their columns then. Every thread of the block must call it, once in a kernel.
template <class S, int kSums, int N, class Add>
__device__ inline bool SumRows(const TokenBlocks& blocks, S (&sums)[kSums][N], const Add& add) {
  __shared__ S of_threads[kSums * N][kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  const int turn = thread / blocks.packs, turns = kThreads / blocks.packs;
  const int64_t d = FirstColumn<N>(blocks);
  const bool has_columns = d < blocks.width;
  const int64_t begin = blockIdx.y * blocks.rows_per_block;
  const int64_t end = has_columns ? min(blocks.num_rows, begin + blocks.rows_per_block) : begin;
#pragma unroll 4
  for (int64_t row = begin + turn; row < end; row += turns) add(row, d, sums);
  if (turns == 1) return has_columns;
#pragma unroll
  for (int i = 0; i < kSums * N; ++i) of_threads[i][thread] = sums[i / N][i % N];
  __syncthreads();
  if (turn > 0 || !has_columns) return false;
  for (int other = thread + blocks.packs; other < kThreads; other += blocks.packs) {
#pragma unroll
    for (int i = 0; i < kSums * N; ++i) sums[i / N][i % N] += of_threads[i][other];
  }
  return true;
}

// Into [blocks of rows, kSums, width].
template <class S, int kSums, int N>
__device__ inline void StorePartials(const TokenBlocks& blocks, const S (&sums)[kSums][N],
                                     S* partials) {
  S* const to = partials + blockIdx.y * kSums * blocks.width + FirstColumn<N>(blocks);
#pragma unroll
  for (int i = 0; i < kSums * N; ++i) to[i / N * blocks.width + i % N] = sums[i / N][i % N];
}

}  // namespace cadmus::cuda
