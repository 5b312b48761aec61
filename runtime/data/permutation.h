// SPDX-License-Identifier: Apache-2.0
// Permutation: a pseudo-random order of n items in O(1) memory, a function of (n, seed, epoch)
// alone: any rank finds the k-th item without a table, whatever the layout.
#pragma once

#include <cstdint>

#include "kernels/base/philox.h"

namespace cadmus {

// A Feistel network with Philox as its round function permutes [0, 4^h), the smallest such that
// holds n; results of n or more are mapped again until one falls below n (fewer than four times on
// average). Source: Black, Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002.
class Permutation {
 public:
  // 1 <= n <= 2^62.
  Permutation(int64_t n, uint64_t seed, uint64_t epoch);

  // The item at place `index`, and back: both in [0, n).
  int64_t ItemAt(int64_t index) const;
  int64_t IndexOf(int64_t item) const;

 private:
  uint64_t RoundFunction(int round, uint64_t half) const;
  uint64_t Encrypt(uint64_t value) const;
  uint64_t Decrypt(uint64_t value) const;

  uint64_t n_;
  PhiloxKey key_;
  int half_bits_;
};

}  // namespace cadmus
