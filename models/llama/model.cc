// SPDX-License-Identifier: Apache-2.0
#include "models/llama/model.h"

#include <cmath>

#include "models/layers/embedding.h"
#include "models/layers/language_model_head.h"
#include "models/layers/transformer_block.h"
#include "models/llama/llama_config.pb.h"

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
    : shape_(shape),
      rope_(shape.rope_theta, shape.max_positions, shape.head_dim, precision.statistics, stream) {
  std::vector<std::unique_ptr<Module>> modules;
  auto embedding = std::make_unique<EmbeddingModule>(shape.vocab_size, shape.hidden_size,
                                                     shape.initial_std, shape.dropout);
  Parameter& table = embedding->table();
  modules.push_back(std::move(embedding));

  const TransformerBlockSpec block = {
      .attention = {.model_width = shape.hidden_size,
                    .num_heads = shape.num_heads,
                    .num_kv_heads = shape.num_kv_heads,
                    .head_dim = shape.head_dim},
      .hidden_width = shape.intermediate_size,
      .norm_epsilon = shape.norm_epsilon,
      .dropout = shape.dropout,
      .initial_std = shape.initial_std,
      .initial_std_out =
          shape.initial_std / std::sqrt(2.0 * static_cast<double>(shape.num_layers))};
  for (int64_t i = 0; i < shape.num_layers; ++i) {
    modules.push_back(std::make_unique<TransformerBlock>(i, block, rope_));
  }

  if (shape.tied_embeddings) {
    modules.push_back(std::make_unique<LanguageModelHead>(table, shape.norm_epsilon));
  } else {
    modules.push_back(std::make_unique<LanguageModelHead>(shape.vocab_size, shape.hidden_size,
                                                          shape.norm_epsilon, shape.initial_std));
  }
  stage_ = std::make_unique<Stage>(std::move(modules));
}

}  // namespace cadmus
