// SPDX-License-Identifier: Apache-2.0
// The shapes of the cases: a Llama-3-8B at 8192 tokens.
#pragma once

#include <cstdint>

namespace cadmus::gpu_speed {

inline constexpr int64_t kTokens = 8192, kWidth = 4096, kHidden = 14336, kVocabulary = 128256;
inline constexpr int64_t kHeads = 32, kKvHeads = 8, kHeadDim = 128;

}  // namespace cadmus::gpu_speed
