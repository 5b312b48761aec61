// SPDX-License-Identifier: Apache-2.0
#include "models/llama/model.h"

#include <cmath>

#include "models/layers/embedding.h"
#include "models/layers/language_model_head.h"
#include "models/layers/transformer_block.h"
#include "models/llama/llama_config.pb.h"
#include "models/llama/placement.h"
#include "runtime/nn/offload.h"
#include "runtime/nn/recompute.h"

namespace cadmus {
namespace {

int64_t RequirePositive(bool is_set, int64_t value, const char* field) {
  if (!is_set) throw Error(Kind::kConfig, StrCat("model.llama.", field, " is missing; set it"));
  if (value <= 0)
    throw Error(Kind::kConfig,
                StrCat("model.llama.", field, " is ", value, "; it must be positive"));
  return value;
}

void RequireDivides(int64_t divisor, const char* divisor_field, int64_t value, const char* field) {
  if (value % divisor == 0) return;
  throw Error(Kind::kConfig,
              StrCat("model.llama.", divisor_field, " = ", divisor, " does not divide ", field,
                     " = ", value, "; take a divisor of ", value));
}

}  // namespace

LlamaShape MakeLlamaShape(const LlamaConfig& config) {
  LlamaShape shape;
  shape.vocab_size = RequirePositive(config.has_vocab_size(), config.vocab_size(), "vocab_size");
  shape.hidden_size =
      RequirePositive(config.has_hidden_size(), config.hidden_size(), "hidden_size");
  shape.intermediate_size = RequirePositive(config.has_intermediate_size(),
                                            config.intermediate_size(), "intermediate_size");
  shape.num_layers = RequirePositive(config.has_num_hidden_layers(), config.num_hidden_layers(),
                                     "num_hidden_layers");
  shape.num_heads = RequirePositive(config.has_num_attention_heads(), config.num_attention_heads(),
                                    "num_attention_heads");
  shape.num_kv_heads =
      config.has_num_key_value_heads()
          ? RequirePositive(true, config.num_key_value_heads(), "num_key_value_heads")
          : shape.num_heads;
  RequireDivides(shape.num_kv_heads, "num_key_value_heads", shape.num_heads, "num_attention_heads");
  if (config.has_head_dim()) {
    shape.head_dim = RequirePositive(true, config.head_dim(), "head_dim");
  } else {
    RequireDivides(shape.num_heads, "num_attention_heads", shape.hidden_size, "hidden_size");
    shape.head_dim = shape.hidden_size / shape.num_heads;
  }
  if (shape.head_dim % 2 != 0) {
    throw Error(Kind::kConfig,
                StrCat("model.llama.head_dim is ", shape.head_dim, "; RoPE needs an even one"));
  }
  shape.max_positions =
      RequirePositive(config.has_max_position_embeddings(), config.max_position_embeddings(),
                      "max_position_embeddings");
  shape.rope_theta = config.rope_theta();
  shape.norm_epsilon = config.rms_norm_eps();
  shape.initial_std = config.initializer_range();
  shape.tied_embeddings = config.tie_word_embeddings();
  shape.dropout = config.dropout();
  if (!(shape.dropout >= 0 && shape.dropout < 1)) {
    throw Error(Kind::kConfig,
                StrCat("model.llama.dropout is ", shape.dropout, "; it must be in [0, 1)"));
  }
  if (!(shape.rope_theta > 0) || !(shape.norm_epsilon > 0) || !(shape.initial_std > 0)) {
    throw Error(Kind::kConfig,
                "model.llama.rope_theta, rms_norm_eps and initializer_range must be positive");
  }
  return shape;
}

namespace {

int64_t BlockMatrixWeights(const LlamaShape& s) {
  const int64_t qkv = (s.num_heads + 2 * s.num_kv_heads) * s.head_dim * s.hidden_size;
  const int64_t out = s.hidden_size * s.num_heads * s.head_dim;
  return qkv + out + 3 * s.hidden_size * s.intermediate_size;
}

}  // namespace

int64_t NumParameters(const LlamaShape& s) {
  const int64_t tables = (s.tied_embeddings ? 1 : 2) * s.vocab_size * s.hidden_size;
  const int64_t norms = (2 * s.num_layers + 1) * s.hidden_size;
  return tables + norms + s.num_layers * BlockMatrixWeights(s);
}

double TrainingFlops(const LlamaShape& s, int64_t sequence_length) {
  const auto length = static_cast<double>(sequence_length);
  const auto matrices =
      static_cast<double>(s.num_layers * BlockMatrixWeights(s) + s.vocab_size * s.hidden_size);
  const double attention_forward =
      4.0 * static_cast<double>(s.num_layers * s.num_heads * s.head_dim) * length * length / 2.0;
  return 6.0 * matrices * length + 3.5 * attention_forward;
}

LlamaModel::LlamaModel(const LlamaShape& shape, const Precision& precision, Stream& stream)
    : LlamaModel(shape, precision, {.chunks = MakeStageLayout(shape.num_layers, 1, {})}, stream) {}

LlamaModel::LlamaModel(const LlamaShape& shape, const Precision& precision, const LlamaPart& part,
                       Stream& stream)
    : shape_(shape),
      rope_(shape.rope_theta, shape.max_positions, shape.head_dim, precision.statistics, stream) {
  for (const StageRange& range : part.chunks) chunks_.push_back(MakeChunk(range, part));
}

// The embedding has the first slot, each block as many as parameters, the head the last two.
constexpr int kNormSlotsPerBlock = 6;
constexpr int kNormSlotsOfHead = 2;

int LlamaModel::NumNormSlots(const LlamaShape& shape) {
  return 1 + static_cast<int>(shape.num_layers) * kNormSlotsPerBlock + kNormSlotsOfHead;
}

std::unique_ptr<Module> LlamaModel::MakeBlock(int64_t index, int64_t index_in_chunk,
                                              const LlamaPart& part,
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

std::unique_ptr<Stage> LlamaModel::MakeChunk(const StageRange& range, const LlamaPart& part) {
  const TensorParallel& parallel = part.tensor_parallel == nullptr ? alone_ : *part.tensor_parallel;
  std::vector<std::unique_ptr<Module>> modules;
  const auto add = [&](std::unique_ptr<Module> module, int first_norm_slot) {
    int slot = first_norm_slot;
    module->VisitParameters([&](Parameter& parameter) {
      const int own_slot = slot++;
      if (&parameter == table_VM_) return;  // has its place already
      parameter.norm_slot = own_slot;
      PlaceLlamaParameter(parameter, shape_, parallel);
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
