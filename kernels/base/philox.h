// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10, the counter-based random generator of Cadmus: the same (key, counter) gives the
// same four words on every device, so weights and dropout depend on names and global indices, never
// on the layout. Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
// SC'11.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

namespace cadmus {

struct PhiloxKey {
  uint32_t lo = 0;
  uint32_t hi = 0;
};

using PhiloxWords = std::array<uint32_t, 4>;

constexpr PhiloxWords Philox(PhiloxKey key, PhiloxWords counter) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key.lo,
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key.hi,
               static_cast<uint32_t>(product0)};
    key.lo += 0x9E3779B9;
    key.hi += 0xBB67AE85;
  }
  return counter;
}

// The key of one random stream: a run's seed, the step (0 for initial weights) and the site that
// draws.
constexpr PhiloxKey DeriveKey(uint64_t seed, uint64_t step, uint64_t site) {
  const PhiloxWords words =
      Philox({static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
             {static_cast<uint32_t>(site), static_cast<uint32_t>(site >> 32),
              static_cast<uint32_t>(step), static_cast<uint32_t>(step >> 32)});
  return {words[0], words[1]};
}

// A site from its name: FNV-1a, 64 bits.
constexpr uint64_t SiteOf(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

// Uniform in (0, 1), from one word: never 0, never 1.
constexpr double UniformFromWord(uint32_t word) {
  return (static_cast<double>(word) + 0.5) * 0x1p-32;
}

// Two independent standard normals from two words (Box-Muller).
inline std::array<double, 2> NormalPairFromWords(uint32_t a, uint32_t b) {
  const double radius = std::sqrt(-2.0 * std::log(UniformFromWord(a)));
  const double angle = 2.0 * std::numbers::pi * UniformFromWord(b);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace cadmus
