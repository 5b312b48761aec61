// SPDX-License-Identifier: Apache-2.0
#include "models/gpt2/hugging_face.h"

#include <algorithm>
#include <string>

#include "kernels/base/error.h"
#include "models/gpt2/gpt2_config.pb.h"
#include "models/gpt2/shape.h"
#include "models/hugging_face/config_json.h"
#include "models/hugging_face/config_json_writer.h"

namespace cadmus {
namespace {

// Of heads that this model does not have, of an order of the same operations, of older versions.
constexpr std::string_view kWithoutEffect[] = {"attn_pdrop",
                                               "n_ctx",
                                               "reorder_and_upcast_attn",
                                               "summary_activation",
                                               "summary_first_dropout",
                                               "summary_proj_to_labels",
                                               "summary_type",
                                               "summary_use_proj"};

constexpr NamePair kGlobalNames[] = {{"embedding.weight", "transformer.wte.weight"},
                                     {"positions.weight", "transformer.wpe.weight"},
                                     {"final_norm.weight", "transformer.ln_f.weight"},
                                     {"final_norm.bias", "transformer.ln_f.bias"},
                                     {"head.weight", kHuggingFaceHead}};

// The weights of matrices are stored as [in, out].
constexpr NamePair kMatrices[] = {{"attention.qkv.", "attn.c_attn."},
                                  {"attention.out.", "attn.c_proj."},
                                  {"mlp.up.", "mlp.c_fc."},
                                  {"mlp.down.", "mlp.c_proj."}};
constexpr NamePair kNorms[] = {{"attention_norm.", "ln_1."}, {"mlp_norm.", "ln_2."}};

std::vector<HuggingFacePart> PartsOf(std::string_view name, int64_t num_rows, const DecoderShape&) {
  if (const auto* pair = std::ranges::find(kGlobalNames, name, &NamePair::first);
      pair != std::end(kGlobalNames)) {
    return {{.name = std::string(pair->second), .num_rows = num_rows}};
  }
  const auto [index, rest] = SplitBlockName(name);
  for (const std::string_view kind : {"weight", "bias"}) {
    const auto part = [&](std::string_view theirs) {
      return HuggingFacePart{.name = StrCat("transformer.h.", index, ".", theirs, kind),
                             .num_rows = num_rows};
    };
    for (const auto& [ours, theirs] : kNorms) {
      if (rest == StrCat(ours, kind)) return {part(theirs)};
    }
    for (const auto& [ours, theirs] : kMatrices) {
      if (rest != StrCat(ours, kind)) continue;
      HuggingFacePart matrix = part(theirs);
      matrix.transposed = kind == "weight";
      return {matrix};
    }
  }
  CADMUS_UNREACHABLE(StrCat("the GPT-2 family has no parameter ", name));
}

// Causal masks.
bool IsBuffer(std::string_view name) {
  return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
}

}  // namespace

void ReadHuggingFace(ConfigJson& json, Gpt2Config& config) {
  config.set_vocab_size(json.RequiredInteger("vocab_size"));
  config.set_hidden_size(json.RequiredInteger("n_embd"));
  config.set_num_hidden_layers(json.RequiredInteger("n_layer"));
  config.set_num_attention_heads(json.RequiredInteger("n_head"));
  config.set_max_position_embeddings(json.RequiredInteger("n_positions"));
  config.set_intermediate_size(json.Integer("n_inner").value_or(4 * config.hidden_size()));
  config.set_layer_norm_epsilon(json.Number("layer_norm_epsilon").value_or(1e-5));
  config.set_initializer_range(json.Number("initializer_range").value_or(0.02));
  config.set_tie_word_embeddings(json.Bool("tie_word_embeddings").value_or(true));
  const double dropout = json.Number("resid_pdrop").value_or(0.1);
  config.set_dropout(dropout);
  if (const double embedding = json.Number("embd_pdrop").value_or(0.1); embedding != dropout) {
    json.Differs(StrCat("embd_pdrop is ", embedding, ", resid_pdrop is ", dropout,
                        "; only one dropout for both can be represented"));
  }
  // Both name the form with tanh.
  if (const std::string activation = json.Text("activation_function").value_or("gelu_new");
      activation != "gelu_new" && activation != "gelu_pytorch_tanh") {
    json.Differs(StrCat("activation_function is \"", activation,
                        R"("; only "gelu_new" can be represented)"));
  }
  json.MustBe("scale_attn_weights", true);
  json.MustBe("scale_attn_by_inverse_layer_idx", false);
  json.HasNoEffect(kWithoutEffect);
}

void WriteHuggingFace(const Gpt2Config& config, ConfigJsonWriter& json) {
  const DecoderShape shape = MakeShape(config);
  json.SetList("architectures", "GPT2LMHeadModel");
  json.Set("model_type", "gpt2");
  json.Set("vocab_size", shape.vocab_size);
  json.Set("n_embd", shape.hidden_size);
  json.Set("n_layer", shape.num_layers);
  json.Set("n_head", shape.num_heads);
  json.Set("n_positions", shape.max_positions);
  json.Set("n_inner", shape.intermediate_size);
  json.Set("activation_function", "gelu_new");
  json.Set("layer_norm_epsilon", shape.norm_epsilon);
  json.Set("initializer_range", shape.initial_std);
  json.Set("tie_word_embeddings", shape.tied_embeddings);
  json.Set("resid_pdrop", shape.dropout);
  json.Set("embd_pdrop", shape.dropout);
  json.Set("attn_pdrop", 0.0);
}

const HuggingFaceNames& Gpt2Names() {
  static constexpr HuggingFaceNames kNames = {
      .base_prefix = "transformer.", .parts = &PartsOf, .is_buffer = &IsBuffer};
  return kNames;
}

}  // namespace cadmus
