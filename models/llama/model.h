// SPDX-License-Identifier: Apache-2.0
// The Llama family: from a config to the modules of a stage.
// Source: Touvron et al., 2302.13971 §2.2; Llama 2 (2307.09288) for grouped-query attention.
#pragma once

#include <cstdint>
#include <memory>

#include "models/layers/rope_tables.h"
#include "runtime/nn/precision.h"
#include "runtime/nn/stage.h"
#include "runtime/parallel/pipeline/stage_layout.h"
#include "runtime/parallel/tensor/tensor_parallel.h"

namespace cadmus {

class ActivationOffload;
class Communicator;
class LlamaConfig;
class TensorParallel;

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

enum class Recompute : uint8_t {
  kNone,
  kSelective,  // the attention core, norms and activation functions
  kFull,       // whole blocks
};

// What one rank holds of a model, and what its blocks keep for backward.
struct LlamaPart {
  std::vector<StageRange> chunks;                   // pipeline stages, each run as one chunk
  const TensorParallel* tensor_parallel = nullptr;  // null: matrices are whole
  // The first and the last pipeline rank, where the embedding's table is tied to the head and they
  // are two; null: one rank has both, or they are not tied.
  Communicator* table_holders = nullptr;
  Recompute recompute = Recompute::kNone;
  int64_t recompute_blocks = 0;          // with kFull: the first so many of each chunk; 0: all
  ActivationOffload* offload = nullptr;  // null: what blocks save stays on the device
};

class LlamaModel {
 public:
  // All layers on one rank, in one chunk. The weights have no memory yet.
  LlamaModel(const LlamaShape& shape, const Precision& precision, Stream& stream);
  // One rank's part. What `part` points to must outlive the model.
  LlamaModel(const LlamaShape& shape, const Precision& precision, const LlamaPart& part,
             Stream& stream);

  const LlamaShape& shape() const { return shape_; }
  int num_chunks() const { return static_cast<int>(chunks_.size()); }
  Stage& chunk(int index) { return *chunks_[static_cast<size_t>(index)]; }
  // The only chunk.
  Stage& stage() { return chunk(0); }

  // Places for the norms of all parameters of the whole model (Parameter::norm_slot).
  static int NumNormSlots(const LlamaShape& shape);

 private:
  std::unique_ptr<Stage> MakeChunk(const StageRange& range, const LlamaPart& part);
  std::unique_ptr<Module> MakeBlock(int64_t index, int64_t index_in_chunk, const LlamaPart& part,
                                    const TensorParallel& parallel) const;

  LlamaShape shape_;
  TensorParallel alone_;  // where the part names no tensor-parallel ranks
  RopeTables rope_;
  Parameter* table_VM_ = nullptr;  // of this rank's embedding, if it has one
  std::vector<std::unique_ptr<Stage>> chunks_;
};

}  // namespace cadmus
