// SPDX-License-Identifier: Apache-2.0
#include "models/decoder/model.h"

#include <cmath>

#include "models/decoder/placement.h"
#include "models/layers/embedding.h"
#include "models/layers/language_model_head.h"
#include "models/layers/transformer_block.h"
#include "runtime/nn/offload.h"
#include "runtime/nn/recompute.h"

namespace cadmus {
DecoderModel::DecoderModel(const DecoderShape& shape, const Precision& precision, Stream& stream)
    : DecoderModel(shape, precision, {.chunks = MakeStageLayout(shape.num_layers, 1, {})}, stream) {
}

DecoderModel::DecoderModel(const DecoderShape& shape, const Precision& precision,
                           const DecoderPart& part, Stream& stream)
    : shape_(shape),
      rope_(shape.rope_theta, shape.max_positions, shape.head_dim, precision.statistics, stream) {
  for (const StageRange& range : part.chunks) chunks_.push_back(MakeChunk(range, part));
}

// The embedding has the first slot, each block as many as parameters, the head the last two.
constexpr int kNormSlotsPerBlock = 6;
constexpr int kNormSlotsOfHead = 2;

int DecoderModel::NumNormSlots(const DecoderShape& shape) {
  return 1 + static_cast<int>(shape.num_layers) * kNormSlotsPerBlock + kNormSlotsOfHead;
}

std::unique_ptr<Module> DecoderModel::MakeBlock(int64_t index, int64_t index_in_chunk,
                                                const DecoderPart& part,
                                                const TensorParallel& parallel) const {
  const TransformerBlockSpec spec = {
      .attention = {.model_width = shape_.hidden_size,
                    .num_heads = shape_.num_heads,
                    .num_kv_heads = shape_.num_kv_heads,
                    .head_dim = shape_.head_dim},
      .hidden_width = shape_.intermediate_size,
      .norm_epsilon = shape_.norm_epsilon,
      .dropout = shape_.dropout,
      .initial_std = shape_.initial_std,
      .initial_std_out =
          shape_.initial_std / std::sqrt(2.0 * static_cast<double>(shape_.num_layers)),
      .selective_recompute = part.recompute == Recompute::kSelective};
  std::unique_ptr<Module> block = std::make_unique<TransformerBlock>(index, spec, rope_, parallel);
  const bool recomputed = part.recompute == Recompute::kFull &&
                          (part.recompute_blocks == 0 || index_in_chunk < part.recompute_blocks);
  if (recomputed) block = MakeRecomputed(std::move(block));
  if (part.offload != nullptr) block = MakeOffloaded(std::move(block), *part.offload);
  return block;
}

std::unique_ptr<Stage> DecoderModel::MakeChunk(const StageRange& range, const DecoderPart& part) {
  const TensorParallel& parallel = part.tensor_parallel == nullptr ? alone_ : *part.tensor_parallel;
  std::vector<std::unique_ptr<Module>> modules;
  const auto add = [&](std::unique_ptr<Module> module, int first_norm_slot) {
    int slot = first_norm_slot;
    module->VisitParameters([&](Parameter& parameter) {
      const int own_slot = slot++;
      if (&parameter == table_VM_) return;  // has its place already
      parameter.norm_slot = own_slot;
      PlaceParameter(parameter, shape_, parallel);
    });
    modules.push_back(std::move(module));
  };

  if (range.has_embedding) {
    auto embedding = std::make_unique<EmbeddingModule>(
        shape_.vocab_size, shape_.hidden_size, shape_.initial_std, shape_.dropout, parallel);
    Parameter& table = embedding->table();
    add(std::move(embedding), 0);
    table_VM_ = &table;
    if (shape_.tied_embeddings) table.holders = part.table_holders;
  }
  for (int64_t i = 0; i < range.num_blocks; ++i) {
    const int64_t index = range.first_block + i;
    add(MakeBlock(index, i, part, parallel), 1 + static_cast<int>(index) * kNormSlotsPerBlock);
  }
  if (range.has_head) {
    std::unique_ptr<LanguageModelHead> head;
    if (shape_.tied_embeddings && table_VM_ != nullptr) {
      head = std::make_unique<LanguageModelHead>(*table_VM_, shape_.norm_epsilon, parallel);
    } else {
      head = std::make_unique<LanguageModelHead>(shape_.vocab_size, shape_.hidden_size,
                                                 shape_.norm_epsilon, shape_.initial_std, parallel);
      if (shape_.tied_embeddings) {  // the embedding is on another rank
        head->weight().name = kEmbeddingTableName;
        head->weight().holders = part.table_holders;
        head->weight().is_first_holder = false;
      }
    }
    add(std::move(head), NumNormSlots(shape_) - kNormSlotsOfHead);
  }
  return std::make_unique<Stage>(std::move(modules));
}

}  // namespace cadmus
