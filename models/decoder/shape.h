// SPDX-License-Identifier: Apache-2.0
// DecoderShape: what a decoder-only transformer is, whatever its family. A family's config becomes
// one (models/<family>/shape.h); model, placements, planner and importers see nothing else.
#pragma once

#include <cstdint>
#include <optional>

#include "kernels/ops/rope.h"
#include "models/layers/variants.h"

namespace cadmus {

struct DecoderShape {
  const char* family = "";  // as in the config: its fields are model.<family>.<name>
  int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0, num_layers = 0;
  int64_t num_heads = 0, num_kv_heads = 0, head_dim = 0, max_positions = 0;
  double rope_theta = 0, norm_epsilon = 0, initial_std = 0, dropout = 0;
  bool tied_embeddings = false;
  NormKind norm = NormKind::kRms;
  FeedForward feed_forward = FeedForward::kSwiGlu;
  Positions positions = Positions::kRope;
  std::optional<RopeScaling> rope_scaling = {};  // of kRope
  int64_t window = 0;         // tokens that a token attends to, itself included; 0: all before it
  bool qk_norm = false;       // RMSNorm of each query and key head, before RoPE
  bool qkv_bias = false;      // of the query, key and value projection
  bool other_biases = false;  // of the other matrices of a block
};

// Parameters, embeddings and norms included.
int64_t NumParameters(const DecoderShape& shape);

// Model FLOPs of one training step on one sequence: 6 per matrix weight and token (2 forward, 4
// backward; a look-up in a table has none), attention 4 · H · D per layer for each of S² / 2 pairs,
// less those that a window hides, forward, and 2.5 times that backward.
double TrainingFlops(const DecoderShape& shape, int64_t sequence_length);

}  // namespace cadmus
