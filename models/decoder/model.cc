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
namespace {

NormSpec NormOf(const DecoderShape& shape) {
  return {.kind = shape.norm, .width = shape.hidden_size, .epsilon = shape.norm_epsilon};
}

// Parameters of the three kinds of modules.
int NumInNorm(const DecoderShape& shape) { return shape.norm == NormKind::kLayer ? 2 : 1; }
int NumInEmbedding(const DecoderShape& shape) {
  return shape.positions == Positions::kLearned ? 2 : 1;
}
int NumInBlock(const DecoderShape& shape) {
  constexpr int kMatrices = 4;
  return kMatrices + 2 * NumInNorm(shape) + (shape.qk_norm ? 2 : 0) + (shape.qkv_bias ? 1 : 0) +
         (shape.other_biases ? kMatrices - 1 : 0);
}
int NumInHead(const DecoderShape& shape) { return NumInNorm(shape) + 1; }

}  // namespace

TransformerBlockSpec BlockSpec(const DecoderShape& shape) {
  const double initial_std_out =
      shape.initial_std / std::sqrt(2.0 * static_cast<double>(shape.num_layers));
  return {.norm = NormOf(shape),
          .attention = {.model_width = shape.hidden_size,
                        .num_heads = shape.num_heads,
                        .num_kv_heads = shape.num_kv_heads,
                        .head_dim = shape.head_dim,
                        .window = shape.window,
                        .qkv_bias = shape.qkv_bias,
                        .out_bias = shape.other_biases,
                        .qk_norm = shape.qk_norm,
                        .norm_epsilon = shape.norm_epsilon,
                        .initial_std = shape.initial_std,
                        .initial_std_out = initial_std_out},
          .mlp = {.kind = shape.feed_forward,
                  .model_width = shape.hidden_size,
                  .hidden_width = shape.intermediate_size,
                  .biases = shape.other_biases,
                  .initial_std = shape.initial_std,
                  .initial_std_out = initial_std_out},
          .dropout = shape.dropout};
}

DecoderModel::DecoderModel(const DecoderShape& shape, const Precision& precision, Stream& stream)
    : DecoderModel(shape, precision, {.chunks = MakeStageLayout(shape.num_layers, 1, {})}, stream) {
}

DecoderModel::DecoderModel(const DecoderShape& shape, const Precision& precision,
                           const DecoderPart& part, Stream& stream)
    : shape_(shape) {
  if (shape.positions == Positions::kRope) {
    rope_.emplace(
        RopeFrequencies{
            .theta = shape.rope_theta, .head_dim = shape.head_dim, .scaling = shape.rope_scaling},
        part.sequence_length > 0 ? part.sequence_length : shape.max_positions, precision.statistics,
        stream);
  }
  for (const StageRange& range : part.chunks) chunks_.push_back(MakeChunk(range, part));
}

// As many as parameters, in the order of the modules: embedding, blocks, head.
int DecoderModel::NumNormSlots(const DecoderShape& shape) {
  return NumInEmbedding(shape) + static_cast<int>(shape.num_layers) * NumInBlock(shape) +
         NumInHead(shape);
}

std::unique_ptr<Module> DecoderModel::MakeBlock(int64_t index, int64_t index_in_chunk,
                                                const DecoderPart& part,
                                                const TensorParallel& parallel) const {
  TransformerBlockSpec spec = BlockSpec(shape_);
  spec.selective_recompute = part.recompute == Recompute::kSelective;
  std::unique_ptr<Module> block =
      std::make_unique<TransformerBlock>(index, spec, rope_ ? &*rope_ : nullptr, parallel);
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
    const EmbeddingSpec spec = {
        .vocab_size = shape_.vocab_size,
        .model_width = shape_.hidden_size,
        .num_positions = shape_.positions == Positions::kLearned ? shape_.max_positions : 0,
        .initial_std = shape_.initial_std,
        .dropout = shape_.dropout};
    auto embedding = std::make_unique<EmbeddingModule>(spec, parallel);
    Parameter& table = embedding->table();
    add(std::move(embedding), 0);
    table_VM_ = &table;
    if (shape_.tied_embeddings) table.holders = part.table_holders;
  }
  for (int64_t i = 0; i < range.num_blocks; ++i) {
    const int64_t index = range.first_block + i;
    add(MakeBlock(index, i, part, parallel),
        NumInEmbedding(shape_) + static_cast<int>(index) * NumInBlock(shape_));
  }
  if (range.has_head) {
    std::unique_ptr<LanguageModelHead> head;
    if (shape_.tied_embeddings && table_VM_ != nullptr) {
      head = std::make_unique<LanguageModelHead>(*table_VM_, NormOf(shape_), parallel);
    } else {
      head = std::make_unique<LanguageModelHead>(shape_.vocab_size, NormOf(shape_),
                                                 shape_.initial_std, parallel);
      if (shape_.tied_embeddings) {  // the embedding is on another rank
        head->weight().name = kEmbeddingTableName;
        head->weight().holders = part.table_holders;
        head->weight().is_first_holder = false;
      }
    }
    add(std::move(head), NumNormSlots(shape_) - NumInHead(shape_));
  }
  return std::make_unique<Stage>(std::move(modules));
}

}  // namespace cadmus
