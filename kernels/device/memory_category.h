// SPDX-License-Identifier: Apache-2.0
// What device memory is for. Peaks are kept per category, so that a plan can be held against a run.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace cadmus {

enum class MemoryCategory : uint8_t {
  kWeights,
  kGradients,
  kOptimizer,
  kActivationsInput,   // live until the backward pass to the input has used them
  kActivationsWeight,  // live until the backward pass to the weights has used them
  kWorkspace,
  kCommunication,
};

inline constexpr int kNumMemoryCategories = 7;

constexpr std::string_view Name(MemoryCategory category) {
  constexpr std::array<std::string_view, kNumMemoryCategories> kNames = {
      "weights",
      "gradients",
      "optimizer",
      "activations until input-backward",
      "activations until weight-backward",
      "workspace",
      "communication"};
  return kNames[static_cast<size_t>(category)];
}

}  // namespace cadmus
