// SPDX-License-Identifier: Apache-2.0
// The Llama family: from its config to the shape of a decoder.
// Source: Touvron et al., 2302.13971 §2.2; Llama 2 (2307.09288) for grouped-query attention.
#pragma once

#include "models/decoder/shape.h"

namespace cadmus {

class LlamaConfig;

// Fills defaults and checks every field against the others. Throws kConfig, naming the field and
// what would do.
DecoderShape MakeShape(const LlamaConfig& config);

}  // namespace cadmus
