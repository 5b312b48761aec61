// SPDX-License-Identifier: Apache-2.0
// The one place that names all families: what their configs have in common.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "models/decoder/shape.h"

namespace cadmus {

class ConfigJson;
class ConfigJsonWriter;
struct HuggingFaceNames;
class ModelConfig;

// The shape of the one family that is set. Throws kConfig if none or several are, or as the
// family's own MakeShape does.
DecoderShape MakeShape(const ModelConfig& config);

// Its field vocab_size: a run takes it from its data set where it is not given.
std::optional<int64_t> VocabSize(const ModelConfig& config);
void SetVocabSize(ModelConfig& config, int64_t vocab_size);

// "model.llama.vocab_size" for vocab_size of a Llama. Throws kConfig as MakeShape does.
std::string FieldName(const ModelConfig& config, const std::string& field);

// The family and model that a config.json of Hugging Face describes. What cannot be represented
// becomes a difference of `json`. Throws kCheckpoint, with the types there are, for another
// model_type.
void ReadHuggingFaceConfig(ConfigJson& json, ModelConfig& config);
// The same, back. Throws kConfig for what no model_type has.
void WriteHuggingFaceConfig(const ModelConfig& config, ConfigJsonWriter& json);
const HuggingFaceNames& NamesInHuggingFace(const ModelConfig& config);

}  // namespace cadmus
