// SPDX-License-Identifier: Apache-2.0
// Payload: what travels between the stages of a pipeline.
#pragma once

#include <cstdint>

namespace cadmus {

enum class Payload : uint8_t {
  kActivation,  // a forward pass' output, to the next stage
  kGradient,    // an input-backward pass' output, to the stage before
};

}  // namespace cadmus
