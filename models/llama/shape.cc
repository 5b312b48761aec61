// SPDX-License-Identifier: Apache-2.0
#include "models/llama/shape.h"

#include "kernels/base/str_cat.h"
#include "models/decoder/config_fields.h"
#include "models/llama/llama_config.pb.h"

namespace cadmus {
namespace {

RopeScaling MakeRopeScaling(const LlamaConfig::RopeScaling& config, const ConfigFields& fields) {
  const auto positive = [&](bool is_set, double value, const char* field) {
    const std::string name = StrCat("rope_scaling.", field);
    if (!is_set) fields.Refuse(name, "is missing; set it");
    return fields.RequirePositive(value, name);
  };
  const RopeScaling scaling = {
      .factor = positive(config.has_factor(), config.factor(), "factor"),
      .low_freq_factor =
          positive(config.has_low_freq_factor(), config.low_freq_factor(), "low_freq_factor"),
      .high_freq_factor =
          positive(config.has_high_freq_factor(), config.high_freq_factor(), "high_freq_factor"),
      .original_max_position_embeddings = fields.RequirePositive(
          config.has_original_max_position_embeddings(), config.original_max_position_embeddings(),
          "rope_scaling.original_max_position_embeddings")};
  if (scaling.factor < 1)
    fields.Refuse("rope_scaling.factor", StrCat("is ", scaling.factor, "; it must be at least 1"));
  if (scaling.high_freq_factor <= scaling.low_freq_factor) {
    fields.Refuse("rope_scaling.high_freq_factor",
                  StrCat("is ", scaling.high_freq_factor,
                         "; it must exceed low_freq_factor = ", scaling.low_freq_factor));
  }
  return scaling;
}

}  // namespace

DecoderShape MakeShape(const LlamaConfig& config) {
  DecoderShape shape;
  shape.family = "llama";
  const ConfigFields fields(shape.family);
  const auto size = [&](bool is_set, int64_t value, const char* field) {
    return fields.RequirePositive(is_set, value, field);
  };
  shape.vocab_size = size(config.has_vocab_size(), config.vocab_size(), "vocab_size");
  shape.hidden_size = size(config.has_hidden_size(), config.hidden_size(), "hidden_size");
  shape.intermediate_size =
      size(config.has_intermediate_size(), config.intermediate_size(), "intermediate_size");
  shape.num_layers =
      size(config.has_num_hidden_layers(), config.num_hidden_layers(), "num_hidden_layers");
  shape.num_heads =
      size(config.has_num_attention_heads(), config.num_attention_heads(), "num_attention_heads");
  shape.num_kv_heads = config.has_num_key_value_heads()
                           ? size(true, config.num_key_value_heads(), "num_key_value_heads")
                           : shape.num_heads;
  fields.RequireDivides(shape.num_kv_heads, "num_key_value_heads", shape.num_heads,
                        "num_attention_heads");
  if (config.has_head_dim()) {
    shape.head_dim = size(true, config.head_dim(), "head_dim");
  } else {
    fields.RequireDivides(shape.num_heads, "num_attention_heads", shape.hidden_size, "hidden_size");
    shape.head_dim = shape.hidden_size / shape.num_heads;
  }
  if (shape.head_dim % 2 != 0)
    fields.Refuse("head_dim", StrCat("is ", shape.head_dim, "; RoPE needs an even one"));
  shape.max_positions = size(config.has_max_position_embeddings(), config.max_position_embeddings(),
                             "max_position_embeddings");
  shape.rope_theta = fields.RequirePositive(config.rope_theta(), "rope_theta");
  if (config.has_rope_scaling())
    shape.rope_scaling = MakeRopeScaling(config.rope_scaling(), fields);
  shape.norm_epsilon = fields.RequirePositive(config.rms_norm_eps(), "rms_norm_eps");
  shape.initial_std = fields.RequirePositive(config.initializer_range(), "initializer_range");
  shape.dropout = fields.RequireProbability(config.dropout(), "dropout");
  shape.tied_embeddings = config.tie_word_embeddings();
  if (config.has_sliding_window()) {
    if (config.sliding_window() <= 0) {
      fields.Refuse("sliding_window",
                    StrCat("is ", config.sliding_window(),
                           "; it must be positive; leave it out to attend to all tokens before"));
    }
    shape.window = config.sliding_window();
  }
  shape.qkv_bias = config.qkv_bias();
  shape.qk_norm = config.qk_norm();
  return shape;
}

}  // namespace cadmus
