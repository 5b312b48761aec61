// SPDX-License-Identifier: Apache-2.0
#include "models/llama/shape.h"

#include "kernels/base/error.h"
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

DecoderShape MakeShape(const LlamaConfig& config) {
  DecoderShape shape;
  shape.family = "llama";
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

}  // namespace cadmus
