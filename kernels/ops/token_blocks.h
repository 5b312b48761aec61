// SPDX-License-Identifier: Apache-2.0
// Sums over tokens in two stages: each block of tokens into a row of the workspace, then the rows
// in their order. Blocks depend on the number of tokens only, so the sums do not depend on threads.
#pragma once

#include <algorithm>

#include "kernels/ops/check.h"

namespace cadmus {

// Tokens that are summed first.
constexpr int64_t TokensPerBlock(int64_t num_tokens) {
  constexpr int64_t kFewestTokens = 16;  // a partial row must be worth its memory
  constexpr int64_t kMostBlocks = 256;   // bounds the workspace
  return std::max(kFewestTokens, (num_tokens + kMostBlocks - 1) / kMostBlocks);
}

constexpr int64_t NumTokenBlocks(int64_t num_tokens) {
  const int64_t tokens = TokensPerBlock(num_tokens);
  return (num_tokens + tokens - 1) / tokens;
}

// A workspace [blocks, width] in the statistics dtype of a storage type.
inline int64_t TokenBlocksBytes(int64_t num_tokens, int64_t width, DType dtype) {
  return NumTokenBlocks(num_tokens) * width * SizeOf(StatisticsDType(dtype));
}

}  // namespace cadmus
