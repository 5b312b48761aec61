// SPDX-License-Identifier: Apache-2.0
// The GPT-2 family: from its config to the shape of a decoder.
// Source: Radford et al., Language Models are Unsupervised Multitask Learners (2019), §2.3.
#pragma once

#include "models/decoder/shape.h"

namespace cadmus {

class Gpt2Config;

// Fills defaults and checks every field against the others. Throws kConfig, naming the field and
// what would do.
DecoderShape MakeShape(const Gpt2Config& config);

}  // namespace cadmus
