// SPDX-License-Identifier: Apache-2.0
// Whether the steps of a layout are those of one rank (P1), and whether two layouts that differ in
// flags only are equal to the bit (P4).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/launch/run/layouts/global_step.h"

namespace cadmus {

// P1's bound: ‖a − b‖ ≤ kLayoutBound · max(‖b‖, 1e-6 · N), N the norm of all gradients (of all
// weights, for weights; of each kind of moment, for moments).
inline constexpr double kLayoutBound = 1e-10;

// As many steps of each. What is wrong with the first step that is: what does not fit together, the
// first number and the first tensor (gradients before state) that break the bound. Nothing where
// all agree.
std::optional<std::string> FirstDisagreement(std::span<const GlobalStep> layout,
                                             std::span<const GlobalStep> one_rank);

// The bits of one number or tensor after one step.
struct Fingerprint {
  std::string name;  // "step 2: gradient of head.weight"
  uint64_t bits = 0;
  bool operator==(const Fingerprint&) const = default;
};
std::vector<Fingerprint> Fingerprints(std::span<const GlobalStep> steps);

}  // namespace cadmus
