// SPDX-License-Identifier: Apache-2.0
#include "models/gpt2/shape.h"

#include "models/decoder/config_fields.h"
#include "models/gpt2/gpt2_config.pb.h"

namespace cadmus {

DecoderShape MakeShape(const Gpt2Config& config) {
  DecoderShape shape;
  shape.family = "gpt2";
  const ConfigFields fields(shape.family);
  const auto size = [&](bool is_set, int64_t value, const char* field) {
    return fields.RequirePositive(is_set, value, field);
  };
  shape.vocab_size = size(config.has_vocab_size(), config.vocab_size(), "vocab_size");
  shape.hidden_size = size(config.has_hidden_size(), config.hidden_size(), "hidden_size");
  shape.num_layers =
      size(config.has_num_hidden_layers(), config.num_hidden_layers(), "num_hidden_layers");
  shape.num_heads =
      size(config.has_num_attention_heads(), config.num_attention_heads(), "num_attention_heads");
  shape.num_kv_heads = shape.num_heads;
  fields.RequireDivides(shape.num_heads, "num_attention_heads", shape.hidden_size, "hidden_size");
  shape.head_dim = shape.hidden_size / shape.num_heads;
  shape.intermediate_size = config.has_intermediate_size()
                                ? size(true, config.intermediate_size(), "intermediate_size")
                                : 4 * shape.hidden_size;
  shape.max_positions = size(config.has_max_position_embeddings(), config.max_position_embeddings(),
                             "max_position_embeddings");
  shape.norm_epsilon = fields.RequirePositive(config.layer_norm_epsilon(), "layer_norm_epsilon");
  shape.initial_std = fields.RequirePositive(config.initializer_range(), "initializer_range");
  shape.dropout = fields.RequireProbability(config.dropout(), "dropout");
  shape.tied_embeddings = config.tie_word_embeddings();
  shape.norm = NormKind::kLayer;
  shape.feed_forward = FeedForward::kGelu;
  shape.positions = Positions::kLearned;
  shape.qkv_bias = true;
  shape.other_biases = true;
  return shape;
}

}  // namespace cadmus
