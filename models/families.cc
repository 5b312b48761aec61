// SPDX-License-Identifier: Apache-2.0
#include "models/families.h"

#include "kernels/base/error.h"
#include "models/llama/llama_config.pb.h"
#include "models/llama/shape.h"
#include "models/families.pb.h"

namespace cadmus {
namespace {

constexpr const char* kFamilies = "llama";

// Calls visit(family's name, family's config) for the one that is set.
template <class Config, class Visit>
auto VisitFamily(Config& config, const Visit& visit) {
  if (!config.has_llama()) {
    throw Error(Kind::kConfig, StrCat("model is missing; the families are: ", kFamilies));
  }
  if constexpr (std::is_const_v<Config>) {
    return visit("llama", config.llama());
  } else {
    return visit("llama", *config.mutable_llama());
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

}  // namespace cadmus
