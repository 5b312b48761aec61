// SPDX-License-Identifier: Apache-2.0
#include "tests/models/interop/published_model.h"

#include <cstring>

#include "kernels/base/philox.h"
#include "runtime/formats/safetensors_folder.h"
#include "runtime/formats/safetensors_writer.h"
#include "tests/runtime/formats/file_contents.h"

namespace cadmus {
namespace {

void AddLlama(PublishedModel& model, DType dtype, bool qkv_bias, bool qk_norm) {
  const auto add = [&](const std::string& name, const Shape& shape) {
    AddTensor(model, name, shape, dtype);
  };
  add("model.embed_tokens.weight", {17, 12});
  add("model.norm.weight", {12});
  if (model.config["tie_word_embeddings"] == "false") add("lm_head.weight", {17, 12});
  for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
    add(layer + "input_layernorm.weight", {12});
    add(layer + "post_attention_layernorm.weight", {12});
    add(layer + "self_attn.q_proj.weight", {24, 12});
    add(layer + "self_attn.k_proj.weight", {12, 12});
    add(layer + "self_attn.v_proj.weight", {12, 12});
    add(layer + "self_attn.o_proj.weight", {12, 24});
    add(layer + "mlp.gate_proj.weight", {20, 12});
    add(layer + "mlp.up_proj.weight", {20, 12});
    add(layer + "mlp.down_proj.weight", {12, 20});
    if (qkv_bias) {
      add(layer + "self_attn.q_proj.bias", {24});
      add(layer + "self_attn.k_proj.bias", {12});
      add(layer + "self_attn.v_proj.bias", {12});
    }
    if (qk_norm) {
      add(layer + "self_attn.q_norm.weight", {6});
      add(layer + "self_attn.k_norm.weight", {6});
    }
  }
}

void AddGpt2(PublishedModel& model, DType dtype) {
  const auto add = [&](const std::string& name, const Shape& shape) {
    AddTensor(model, name, shape, dtype);
  };
  add("transformer.wte.weight", {17, 12});
  add("transformer.wpe.weight", {16, 12});
  for (const std::string kind : {"weight", "bias"}) {
    add("transformer.ln_f." + kind, {12});
    for (const std::string layer : {"transformer.h.0.", "transformer.h.1."}) {
      add(layer + "ln_1." + kind, {12});
      add(layer + "ln_2." + kind, {12});
    }
  }
  for (const std::string layer : {"transformer.h.0.", "transformer.h.1."}) {
    add(layer + "attn.c_attn.weight", {12, 36});
    add(layer + "attn.c_attn.bias", {36});
    add(layer + "attn.c_proj.weight", {12, 12});
    add(layer + "attn.c_proj.bias", {12});
    add(layer + "mlp.c_fc.weight", {12, 48});
    add(layer + "mlp.c_fc.bias", {48});
    add(layer + "mlp.c_proj.weight", {48, 12});
    add(layer + "mlp.c_proj.bias", {12});
  }
}

}  // namespace

PublishedModel MakePublished(const std::string& model_type, DType dtype) {
  PublishedModel model;
  if (model_type == "gpt2") {
    model.config = {{"model_type", "\"gpt2\""}, {"vocab_size", "17"}, {"n_embd", "12"},
                    {"n_layer", "2"},           {"n_head", "2"},      {"n_positions", "16"},
                    {"n_inner", "null"},        {"n_ctx", "16"}};
    AddGpt2(model, dtype);
    return model;
  }
  model.config = {{"model_type", StrCat("\"", model_type, "\"")},
                  {"vocab_size", "17"},
                  {"hidden_size", "12"},
                  {"intermediate_size", "20"},
                  {"num_hidden_layers", "2"},
                  {"num_attention_heads", "4"},
                  {"num_key_value_heads", "2"},
                  {"head_dim", "6"},
                  {"max_position_embeddings", "64"},
                  {"rms_norm_eps", "1e-6"},
                  {"hidden_act", "\"silu\""},
                  {"tie_word_embeddings", model_type == "qwen2" ? "true" : "false"}};
  AddLlama(model, dtype, model_type == "qwen2", model_type == "qwen3");
  return model;
}

void AddTensor(PublishedModel& model, const std::string& name, const Shape& shape, DType dtype) {
  PublishedTensor tensor{.shape = shape, .dtype = dtype};
  const PhiloxKey key = DeriveKey(7, 0, SiteOf(name));
  for (int64_t i = 0; i < shape.num_elements(); ++i) {
    // A finite number in every type: the exponent's highest bit is never set.
    const uint32_t random = Philox(key, {static_cast<uint32_t>(i), 0, 0, 0})[0] &
                            (dtype == DType::kF32 ? 0xBFFFFFFFu : 0xBFFFBFFFu);
    char bytes[8] = {};
    std::memcpy(bytes, &random, sizeof(random));
    tensor.bytes.append(bytes, static_cast<size_t>(SizeOf(dtype)));
  }
  model.tensors[name] = std::move(tensor);
}

void WritePublished(const PublishedModel& model, const std::filesystem::path& folder,
                    int num_shards) {
  std::filesystem::create_directories(folder);
  std::string config;
  for (const auto& [name, value] : model.config) {
    config += StrCat(config.empty() ? "{" : ", ", "\"", name, "\": ", value);
  }
  WriteFile(folder / "config.json", config + "}");
  std::vector<SafetensorsContent> contents(static_cast<size_t>(num_shards));
  std::vector<std::string> data(contents.size());
  std::map<std::string, std::string> file_of;
  const auto file_name = [&](size_t shard) {
    return num_shards == 1 ? kSafetensorsModelName
                           : SafetensorsShardName(static_cast<int>(shard), num_shards);
  };
  size_t shard = 0;
  for (const auto& [name, tensor] : model.tensors) {
    contents[shard].tensors.push_back({.name = name, .dtype = tensor.dtype, .shape = tensor.shape});
    data[shard] += tensor.bytes;
    file_of[name] = file_name(shard);
    shard = (shard + 1) % contents.size();
  }
  for (size_t i = 0; i < contents.size(); ++i) {
    SafetensorsWriter writer(folder / file_name(i), Kind::kData, std::move(contents[i]));
    writer.Append(std::as_bytes(std::span(data[i])));
    writer.Commit();
  }
  if (num_shards > 1) WriteFile(folder / kSafetensorsIndexName, SafetensorsIndexText(file_of, 0));
}

}  // namespace cadmus
