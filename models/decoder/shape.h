// SPDX-License-Identifier: Apache-2.0
// DecoderShape: what a decoder-only transformer is, whatever its family. A family's config becomes
// one (models/<family>/shape.h); model, placements, planner and importers see nothing else.
#pragma once

#include <cstdint>

namespace cadmus {

struct DecoderShape {
  const char* family = "";  // as in the config: its fields are model.<family>.<name>
  int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0, num_layers = 0;
  int64_t num_heads = 0, num_kv_heads = 0, head_dim = 0, max_positions = 0;
  double rope_theta = 0, norm_epsilon = 0, initial_std = 0, dropout = 0;
  bool tied_embeddings = false;
};

// Parameters, embeddings and norms included.
int64_t NumParameters(const DecoderShape& shape);

// Model FLOPs of one training step on one sequence: 6 per matrix weight and token (2 forward, 4
// backward; the embedding's look-up has none), attention 4 · H · S² / 2 · D per layer forward
// and 2.5 times that backward.
double TrainingFlops(const DecoderShape& shape, int64_t sequence_length);

}  // namespace cadmus
