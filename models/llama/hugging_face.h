// SPDX-License-Identifier: Apache-2.0
// The Llama family in folders of Hugging Face: model types llama, mistral, qwen2 and qwen3.
// Source: their configuration and modeling files in transformers 5.
#pragma once

#include <string_view>

#include "models/hugging_face/names.h"

namespace cadmus {

class ConfigJson;
class ConfigJsonWriter;
class LlamaConfig;

bool IsLlamaModelType(std::string_view model_type);

// Reads a config.json of one of these types, with the defaults that the type has. What LlamaConfig
// cannot say becomes a difference of `json`.
void ReadHuggingFace(ConfigJson& json, std::string_view model_type, LlamaConfig& config);

// The same, back: the plainest model type that has what the config needs. Throws kConfig, naming
// the fields, for a combination that no type has.
void WriteHuggingFace(const LlamaConfig& config, ConfigJsonWriter& json);

const HuggingFaceNames& LlamaNames();

}  // namespace cadmus
