// SPDX-License-Identifier: Apache-2.0
// DecoderModel: from a shape to the modules of a rank's pipeline stages: embedding, blocks, head.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "models/decoder/shape.h"
#include "models/layers/rope_tables.h"
#include "runtime/nn/precision.h"
#include "runtime/nn/stage.h"
#include "runtime/parallel/pipeline/stage_layout.h"
#include "runtime/parallel/tensor/tensor_parallel.h"

namespace cadmus {

class ActivationOffload;
class Communicator;
struct TransformerBlockSpec;

enum class Recompute : uint8_t {
  kNone,
  kSelective,  // the attention core, norms and activation functions
  kFull,       // whole blocks
};

// What one rank holds of a model, and what its blocks keep for backward.
struct DecoderPart {
  std::vector<StageRange> chunks;  // pipeline stages, each run as one chunk
  // How long sequences are, so how many rows tables of RoPE have; 0: as long as the model allows.
  int64_t sequence_length = 0;
  const TensorParallel* tensor_parallel = nullptr;  // null: matrices are whole
  // The first and the last pipeline rank, where the embedding's table is tied to the head and they
  // are two; null: one rank has both, or they are not tied.
  Communicator* table_holders = nullptr;
  Recompute recompute = Recompute::kNone;
  int64_t recompute_blocks = 0;          // with kFull: the first so many of each chunk; 0: all
  ActivationOffload* offload = nullptr;  // null: what blocks save stays on the device
};

// What a block of the shape is made of; nothing recomputed.
TransformerBlockSpec BlockSpec(const DecoderShape& shape);

class DecoderModel {
 public:
  // All layers on one rank, in one chunk. The weights have no memory yet.
  DecoderModel(const DecoderShape& shape, const Precision& precision, Stream& stream);
  // One rank's part. What `part` points to must outlive the model.
  DecoderModel(const DecoderShape& shape, const Precision& precision, const DecoderPart& part,
               Stream& stream);

  const DecoderShape& shape() const { return shape_; }
  int num_chunks() const { return static_cast<int>(chunks_.size()); }
  Stage& chunk(int index) { return *chunks_[static_cast<size_t>(index)]; }
  // The only chunk.
  Stage& stage() { return chunk(0); }

  // Places for the norms of all parameters of the whole model (Parameter::norm_slot).
  static int NumNormSlots(const DecoderShape& shape);

 private:
  std::unique_ptr<Stage> MakeChunk(const StageRange& range, const DecoderPart& part);
  std::unique_ptr<Module> MakeBlock(int64_t index, int64_t index_in_chunk, const DecoderPart& part,
                                    const TensorParallel& parallel) const;

  DecoderShape shape_;
  TensorParallel alone_;            // where the part names no tensor-parallel ranks
  std::optional<RopeTables> rope_;  // absent where positions are learned
  Parameter* table_VM_ = nullptr;   // of this rank's embedding, if it has one
  std::vector<std::unique_ptr<Stage>> chunks_;
};

}  // namespace cadmus
