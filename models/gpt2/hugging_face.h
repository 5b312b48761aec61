// SPDX-License-Identifier: Apache-2.0
// The GPT-2 family in folders of Hugging Face: model type gpt2.
// Source: its configuration and modeling files in transformers 5.
#pragma once

#include "models/hugging_face/names.h"

namespace cadmus {

class ConfigJson;
class ConfigJsonWriter;
class Gpt2Config;

// Reads a config.json of this type, with its defaults. What Gpt2Config cannot say becomes a
// difference of `json`; but dropout of attention weights, which changes training only and which
// this family leaves out, is left out.
void ReadHuggingFace(ConfigJson& json, Gpt2Config& config);

// The same, back.
void WriteHuggingFace(const Gpt2Config& config, ConfigJsonWriter& json);

const HuggingFaceNames& Gpt2Names();

}  // namespace cadmus
