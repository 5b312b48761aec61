// SPDX-License-Identifier: Apache-2.0
// One transformer block, forward and backward on given data, over the tensor-parallel ranks of a
// layout; what the ranks computed is put together to whole tensors.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "models/decoder/model.h"
#include "runtime/nn/context.h"
#include "runtime/parallel/tensor/tensor_parallel.h"

namespace cadmus {

struct BlockLayout {
  int tp = 1;
  TensorParallelOptions options;
};

enum class BlockFamily { kLlama, kQwen, kGpt2 };  // between them, all that a block may have

struct BlockCase {
  BlockFamily family = BlockFamily::kLlama;
  int64_t num_heads = 6, num_kv_heads = 3;
  int64_t num_rows = 2, num_positions = 12;  // of the micro-batch
  double dropout = 0;

  DecoderShape Shape() const;
};

struct BlockOutcome {
  std::vector<double> y, dx;
  std::map<std::string, std::vector<double>> gradients;  // whole, by parameter
  int64_t saved_bytes = 0;  // of activations on rank 0 between the passes, y left out
};

// Every rank's share is placed by its global rows and slices; what several ranks hold must agree
// bit for bit. A test fails where something is missing or contradicts.
BlockOutcome RunBlock(const BlockCase& block_case, const BlockLayout& layout);

// The forward pass alone, in `mode`; returns the bytes of activations that it left besides y.
BlockOutcome ForwardBlock(const BlockCase& block_case, const BlockLayout& layout, Mode mode);

}  // namespace cadmus
