// SPDX-License-Identifier: Apache-2.0
// The Llama family: from a config to the modules of a stage.
// Source: Touvron et al., 2302.13971 §2.2; Llama 2 (2307.09288) for grouped-query attention.
#pragma once

#include <cstdint>
#include <memory>

#include "models/layers/rope_tables.h"
#include "runtime/nn/precision.h"
#include "runtime/nn/stage.h"

namespace cadmus {

class LlamaConfig;

struct LlamaShape {
  int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0, num_layers = 0;
  int64_t num_heads = 0, num_kv_heads = 0, head_dim = 0, max_positions = 0;
  double rope_theta = 0, norm_epsilon = 0, initial_std = 0, dropout = 0;
  bool tied_embeddings = false;
};

// Fills defaults and checks every field against the others. Throws kConfig, naming the field and
// what would do.
LlamaShape MakeLlamaShape(const LlamaConfig& config);

// Parameters, embeddings and norms included.
int64_t NumParameters(const LlamaShape& shape);

// Model FLOPs of one training step on one sequence: 6 per matrix weight and token (2 forward, 4
// backward; the embedding's look-up has none), attention 4 · H · S² / 2 · D per layer forward
// and 2.5 times that backward.
double TrainingFlops(const LlamaShape& shape, int64_t sequence_length);

class LlamaModel {
 public:
  // All layers in one stage. The weights have no memory yet (ParameterStore).
  LlamaModel(const LlamaShape& shape, const Precision& precision, Stream& stream);

  const LlamaShape& shape() const { return shape_; }
  Stage& stage() { return *stage_; }

 private:
  LlamaShape shape_;
  RopeTables rope_;
  std::unique_ptr<Stage> stage_;
};

}  // namespace cadmus
