// SPDX-License-Identifier: Apache-2.0
#include "models/llama/hugging_face.h"

#include <algorithm>
#include <optional>
#include <string>

#include "kernels/base/error.h"
#include "models/hugging_face/config_json.h"
#include "models/hugging_face/config_json_writer.h"
#include "models/llama/llama_config.pb.h"
#include "models/llama/shape.h"

namespace cadmus {
namespace {

// What a model type has, and what transformers takes for a field that is absent.
struct ModelType {
  std::string_view name;
  std::string architecture;
  bool qkv_bias = false, qk_norm = false;
  std::optional<int64_t> num_key_value_heads = {};  // none: as many as query heads
  std::optional<int64_t> head_dim = {};             // none: hidden_size / num_attention_heads
  enum class Window { kNone, kAll, kByLayer } window = Window::kNone;
  int64_t sliding_window = 4096;
};

const ModelType kModelTypes[] = {{.name = "llama", .architecture = "LlamaForCausalLM"},
                                 {.name = "mistral",
                                  .architecture = "MistralForCausalLM",
                                  .num_key_value_heads = 8,
                                  .window = ModelType::Window::kAll},
                                 {.name = "qwen2",
                                  .architecture = "Qwen2ForCausalLM",
                                  .qkv_bias = true,
                                  .num_key_value_heads = 32,
                                  .window = ModelType::Window::kByLayer},
                                 {.name = "qwen3",
                                  .architecture = "Qwen3ForCausalLM",
                                  .qk_norm = true,
                                  .num_key_value_heads = 32,
                                  .head_dim = 128,
                                  .window = ModelType::Window::kByLayer}};

const ModelType* FindType(std::string_view name) {
  const auto* const found = std::ranges::find(kModelTypes, name, &ModelType::name);
  return found == std::end(kModelTypes) ? nullptr : found;
}

// transformers 5 has rope_theta and the scaling in rope_parameters, earlier versions rope_theta
// beside rope_scaling.
void ReadRope(ConfigJson& json, LlamaConfig& config) {
  const bool has_scaling = json.Has("rope_scaling");
  if (has_scaling && json.Has("rope_parameters")) {
    json.Differs("rope_scaling and rope_parameters are both there; keep one");
    return;
  }
  const std::string object = has_scaling ? "rope_scaling." : "rope_parameters.";
  const auto inner = [&](std::string_view name) { return StrCat(object, name); };
  const std::optional<double> theta = json.Number("rope_theta");
  const std::optional<double> inner_theta = json.Number(inner("rope_theta"));
  if (theta && inner_theta && *theta != *inner_theta) {
    json.Differs(
        StrCat("rope_theta is ", *theta, ", but ", inner("rope_theta"), " is ", *inner_theta));
  }
  config.set_rope_theta(inner_theta.value_or(theta.value_or(10000)));
  json.MustBe("partial_rotary_factor", 1.0);
  json.MustBe(inner("partial_rotary_factor"), 1.0);

  const std::optional<std::string> old_type = json.Text(inner("type"));
  const std::optional<std::string> new_type = json.Text(inner("rope_type"));
  const std::string type = new_type.value_or(old_type.value_or("default"));
  if (type == "default") return;
  if (type != "llama3") {
    for (const char* name :
         {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}) {
      json.Number(inner(name));
    }
    json.Differs(StrCat(inner("rope_type"), " is \"", type,
                        R"("; only "default" and "llama3" can be represented)"));
    return;
  }
  LlamaConfig::RopeScaling& scaling = *config.mutable_rope_scaling();
  scaling.set_factor(json.RequiredNumber(inner("factor")));
  scaling.set_low_freq_factor(json.RequiredNumber(inner("low_freq_factor")));
  scaling.set_high_freq_factor(json.RequiredNumber(inner("high_freq_factor")));
  scaling.set_original_max_position_embeddings(
      json.RequiredInteger(inner("original_max_position_embeddings")));
}

// Whether all layers of a type that says it by layer have the window; none: some do.
std::optional<bool> AllLayersSlide(ConfigJson& json, int64_t num_layers) {
  const int64_t full_layers = json.Integer("max_window_layers").value_or(28);
  const auto layer_types = json.Texts("layer_types");
  if (!layer_types) {
    if (full_layers >= num_layers) return false;
    return full_layers <= 0 ? std::optional(true) : std::nullopt;
  }
  const auto all_are = [&](std::string_view type) {
    return std::ranges::all_of(*layer_types, [&](const auto& layer) { return layer == type; });
  };
  if (std::ssize(*layer_types) != num_layers) {
    json.Differs(StrCat("layer_types has ", layer_types->size(), " entries, num_hidden_layers is ",
                        num_layers));
    return false;
  }
  if (all_are("full_attention")) return false;
  return all_are("sliding_attention") ? std::optional(true) : std::nullopt;
}

void ReadWindow(ConfigJson& json, const ModelType& type, LlamaConfig& config) {
  if (type.window == ModelType::Window::kNone) return;
  const bool is_null = json.Mentions("sliding_window") && !json.Has("sliding_window");
  const int64_t window = json.Integer("sliding_window").value_or(type.sliding_window);
  bool slides = true;
  if (type.window == ModelType::Window::kByLayer) {
    slides = json.Bool("use_sliding_window").value_or(false);
    const std::optional<bool> all_slide = AllLayersSlide(json, config.num_hidden_layers());
    if (slides && !is_null && !all_slide) {
      json.Differs(
          "layer_types or max_window_layers give a sliding window to some layers only; all or none "
          "can have it");
    }
    slides = slides && all_slide.value_or(false);
  }
  if (slides && !is_null) config.set_sliding_window(window);
}

const ModelType& TypeFor(const LlamaConfig& config) {
  if (config.qkv_bias() && config.qk_norm()) {
    throw Error(Kind::kConfig,
                "no model_type of Hugging Face has both model.llama.qkv_bias (qwen2) and "
                "model.llama.qk_norm (qwen3); this model cannot be exported");
  }
  return *FindType(config.qk_norm()              ? "qwen3"
                   : config.qkv_bias()           ? "qwen2"
                   : config.has_sliding_window() ? "mistral"
                                                 : "llama");
}

constexpr NamePair kGlobalNames[] = {{"embedding.weight", "model.embed_tokens.weight"},
                                     {"final_norm.weight", "model.norm.weight"},
                                     {"head.weight", kHuggingFaceHead}};

constexpr NamePair kBlockNames[] = {{"attention_norm.weight", "input_layernorm.weight"},
                                    {"attention.q_norm.weight", "self_attn.q_norm.weight"},
                                    {"attention.k_norm.weight", "self_attn.k_norm.weight"},
                                    {"attention.out.weight", "self_attn.o_proj.weight"},
                                    {"mlp_norm.weight", "post_attention_layernorm.weight"},
                                    {"mlp.down.weight", "mlp.down_proj.weight"}};

std::vector<HuggingFacePart> PartsOf(std::string_view name, int64_t num_rows,
                                     const DecoderShape& shape) {
  if (const auto* pair = std::ranges::find(kGlobalNames, name, &NamePair::first);
      pair != std::end(kGlobalNames)) {
    return {{.name = std::string(pair->second), .num_rows = num_rows}};
  }
  const auto [index, rest] = SplitBlockName(name);
  const std::string layer = StrCat("model.layers.", index, ".");
  if (const auto* pair = std::ranges::find(kBlockNames, rest, &NamePair::first);
      pair != std::end(kBlockNames)) {
    return {{.name = StrCat(layer, pair->second), .num_rows = num_rows}};
  }
  const int64_t query_rows = shape.num_heads * shape.head_dim;
  const int64_t key_rows = shape.num_kv_heads * shape.head_dim;
  for (const std::string_view kind : {"weight", "bias"}) {
    if (rest != StrCat("attention.qkv.", kind)) continue;
    return {{.name = StrCat(layer, "self_attn.q_proj.", kind), .num_rows = query_rows},
            {.name = StrCat(layer, "self_attn.k_proj.", kind), .num_rows = key_rows},
            {.name = StrCat(layer, "self_attn.v_proj.", kind), .num_rows = key_rows}};
  }
  if (rest == "mlp.gate_up.weight") {
    return {{.name = StrCat(layer, "mlp.gate_proj.weight"), .num_rows = num_rows / 2},
            {.name = StrCat(layer, "mlp.up_proj.weight"), .num_rows = num_rows / 2}};
  }
  CADMUS_UNREACHABLE(StrCat("the Llama family has no parameter ", name));
}

bool IsBuffer(std::string_view name) { return name.ends_with("rotary_emb.inv_freq"); }

}  // namespace

bool IsLlamaModelType(std::string_view model_type) { return FindType(model_type) != nullptr; }

void ReadHuggingFace(ConfigJson& json, std::string_view model_type, LlamaConfig& config) {
  const ModelType& type = *FindType(model_type);
  config.set_vocab_size(json.RequiredInteger("vocab_size"));
  config.set_hidden_size(json.RequiredInteger("hidden_size"));
  config.set_intermediate_size(json.RequiredInteger("intermediate_size"));
  config.set_num_hidden_layers(json.RequiredInteger("num_hidden_layers"));
  config.set_num_attention_heads(json.RequiredInteger("num_attention_heads"));
  config.set_max_position_embeddings(json.RequiredInteger("max_position_embeddings"));
  const bool kv_is_null = json.Mentions("num_key_value_heads") && !json.Has("num_key_value_heads");
  const std::optional<int64_t> num_kv_heads = json.Integer("num_key_value_heads");
  config.set_num_key_value_heads(num_kv_heads.value_or(
      kv_is_null ? config.num_attention_heads()
                 : type.num_key_value_heads.value_or(config.num_attention_heads())));
  if (const auto head_dim = json.Integer("head_dim")) {
    config.set_head_dim(*head_dim);
  } else if (type.head_dim) {
    config.set_head_dim(*type.head_dim);
  }
  config.set_rms_norm_eps(json.Number("rms_norm_eps").value_or(1e-6));
  config.set_initializer_range(json.Number("initializer_range").value_or(0.02));
  config.set_tie_word_embeddings(json.Bool("tie_word_embeddings").value_or(false));
  config.set_qkv_bias(type.qkv_bias);
  config.set_qk_norm(type.qk_norm);
  ReadRope(json, config);
  ReadWindow(json, type, config);
  json.MustBe("hidden_act", "silu");
  json.MustBe("attention_bias", type.qkv_bias);
  json.MustBe("mlp_bias", false);
  json.MustBe("attention_dropout", 0.0);
}

void WriteHuggingFace(const LlamaConfig& config, ConfigJsonWriter& json) {
  const ModelType& type = TypeFor(config);
  const DecoderShape shape = MakeShape(config);
  json.SetList("architectures", type.architecture);
  json.Set("model_type", std::string(type.name));
  json.Set("vocab_size", shape.vocab_size);
  json.Set("hidden_size", shape.hidden_size);
  json.Set("intermediate_size", shape.intermediate_size);
  json.Set("num_hidden_layers", shape.num_layers);
  json.Set("num_attention_heads", shape.num_heads);
  json.Set("num_key_value_heads", shape.num_kv_heads);
  json.Set("head_dim", shape.head_dim);
  json.Set("max_position_embeddings", shape.max_positions);
  json.Set("hidden_act", "silu");
  json.Set("rms_norm_eps", shape.norm_epsilon);
  json.Set("initializer_range", shape.initial_std);
  json.Set("tie_word_embeddings", shape.tied_embeddings);
  json.Set("attention_dropout", 0.0);
  if (type.name == "llama" || type.name == "qwen3") json.Set("attention_bias", false);
  if (type.name == "llama") json.Set("mlp_bias", false);
  json.Set("rope_theta", shape.rope_theta);
  json.Set("rope_scaling", nullptr);
  if (config.has_rope_scaling()) {
    const LlamaConfig::RopeScaling& scaling = config.rope_scaling();
    json.Set("rope_scaling.rope_type", "llama3");
    json.Set("rope_scaling.factor", scaling.factor());
    json.Set("rope_scaling.low_freq_factor", scaling.low_freq_factor());
    json.Set("rope_scaling.high_freq_factor", scaling.high_freq_factor());
    json.Set("rope_scaling.original_max_position_embeddings",
             scaling.original_max_position_embeddings());
  }
  if (type.window == ModelType::Window::kNone) return;
  const bool slides = config.has_sliding_window();
  json.Set("sliding_window", slides ? ConfigValue(config.sliding_window()) : ConfigValue(nullptr));
  if (type.window == ModelType::Window::kByLayer) {
    json.Set("use_sliding_window", slides);
    json.Set("max_window_layers", slides ? int64_t{0} : shape.num_layers);
  }
}

const HuggingFaceNames& LlamaNames() {
  static constexpr HuggingFaceNames kNames = {
      .base_prefix = "model.", .parts = &PartsOf, .is_buffer = &IsBuffer};
  return kNames;
}

}  // namespace cadmus
