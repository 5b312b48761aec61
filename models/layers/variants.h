// SPDX-License-Identifier: Apache-2.0
// In what the layers of decoder-only families differ.
#pragma once

#include <cstdint>

namespace cadmus {

enum class NormKind : uint8_t {
  kRms,    // with a weight
  kLayer,  // with a weight and a bias
};

enum class FeedForward : uint8_t {
  kSwiGlu,
  kGelu,  // in its tanh form
};

enum class Positions : uint8_t {
  kRope,     // queries and keys are turned by them
  kLearned,  // a table of them is added to the embedding
};

}  // namespace cadmus
