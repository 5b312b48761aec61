// SPDX-License-Identifier: Apache-2.0
#include "models/families.h"

#include "kernels/base/error.h"
#include "models/families.pb.h"
#include "models/gpt2/gpt2_config.pb.h"
#include "models/gpt2/hugging_face.h"
#include "models/gpt2/shape.h"
#include "models/hugging_face/common_fields.h"
#include "models/hugging_face/config_json.h"
#include "models/llama/hugging_face.h"
#include "models/llama/llama_config.pb.h"
#include "models/llama/shape.h"

namespace cadmus {
namespace {

constexpr const char* kFamilies = "llama, gpt2";

// Calls visit(family's name, family's config) for the one that is set.
template <class Config, class Visit>
auto VisitFamily(Config& config, const Visit& visit) {
  if (config.has_llama() && config.has_gpt2()) {
    throw Error(Kind::kConfig,
                "model names llama and gpt2; a model is of exactly one family: "
                "leave one of them out");
  }
  if (!config.has_llama() && !config.has_gpt2()) {
    throw Error(Kind::kConfig, StrCat("model is missing; the families are: ", kFamilies));
  }
  if constexpr (std::is_const_v<Config>) {
    return config.has_llama() ? visit("llama", config.llama()) : visit("gpt2", config.gpt2());
  } else {
    return config.has_llama() ? visit("llama", *config.mutable_llama())
                              : visit("gpt2", *config.mutable_gpt2());
  }
}

}  // namespace

DecoderShape MakeShape(const ModelConfig& config) {
  return VisitFamily(config, [](const char*, const auto& family) { return MakeShape(family); });
}

std::optional<int64_t> VocabSize(const ModelConfig& config) {
  return VisitFamily(config, [](const char*, const auto& family) {
    return family.has_vocab_size() ? std::optional<int64_t>(family.vocab_size()) : std::nullopt;
  });
}

void SetVocabSize(ModelConfig& config, int64_t vocab_size) {
  VisitFamily(config, [&](const char*, auto& family) { family.set_vocab_size(vocab_size); });
}

std::string FieldName(const ModelConfig& config, const std::string& field) {
  return VisitFamily(
      config, [&](const char* name, const auto&) { return StrCat("model.", name, ".", field); });
}

void ReadHuggingFaceConfig(ConfigJson& json, ModelConfig& config) {
  const std::string type = json.Text("model_type").value_or("");
  if (type == "gpt2") {
    ReadHuggingFace(json, *config.mutable_gpt2());
  } else if (IsLlamaModelType(type)) {
    ReadHuggingFace(json, type, *config.mutable_llama());
  } else {  // the fields that differ from the plainest type say what kind of model it is
    ReadHuggingFace(json, "llama", *config.mutable_llama());
    json.Differs(
        StrCat("model_type is \"", type, "\"; the types are: gpt2, llama, mistral, qwen2, qwen3"));
  }
  ReadCommonFields(json);
}

void WriteHuggingFaceConfig(const ModelConfig& config, ConfigJsonWriter& json) {
  VisitFamily(config, [&](const char*, const auto& family) { WriteHuggingFace(family, json); });
}

const HuggingFaceNames& NamesInHuggingFace(const ModelConfig& config) {
  return *VisitFamily(config, [](const char* name, const auto&) {
    return std::string_view(name) == "gpt2" ? &Gpt2Names() : &LlamaNames();
  });
}

}  // namespace cadmus
