// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/permutation.h"

#include <algorithm>
#include <bit>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

// Four rounds make a strong pseudo-random permutation of a large domain (Luby, Rackoff); small
// domains need more to come close to uniform.
constexpr int kRounds = 8;

}  // namespace

Permutation::Permutation(int64_t n, uint64_t seed, uint64_t epoch)
    : n_(static_cast<uint64_t>(n)), key_(DeriveKey(seed, epoch, SiteOf("data/permutation"))) {
  CADMUS_CHECK(1 <= n && n <= int64_t{1} << 62, StrCat("n = ", n));
  half_bits_ = std::max(1, (static_cast<int>(std::bit_width(n_ - 1)) + 1) / 2);
}

int64_t Permutation::ItemAt(int64_t index) const {
  CADMUS_CHECK(0 <= index && static_cast<uint64_t>(index) < n_, StrCat(index, " of ", n_));
  auto value = static_cast<uint64_t>(index);
  do {
    value = Encrypt(value);
  } while (value >= n_);
  return static_cast<int64_t>(value);
}

int64_t Permutation::IndexOf(int64_t item) const {
  CADMUS_CHECK(0 <= item && static_cast<uint64_t>(item) < n_, StrCat(item, " of ", n_));
  auto value = static_cast<uint64_t>(item);
  do {
    value = Decrypt(value);
  } while (value >= n_);
  return static_cast<int64_t>(value);
}

uint64_t Permutation::RoundFunction(int round, uint64_t half) const {
  // A half has at most 31 bits: one word of the counter.
  const PhiloxWords words =
      Philox(key_, {static_cast<uint32_t>(half), static_cast<uint32_t>(round), 0, 0});
  return words[0] & ((uint64_t{1} << half_bits_) - 1);
}

uint64_t Permutation::Encrypt(uint64_t value) const {
  uint64_t left = value >> half_bits_;
  uint64_t right = value & ((uint64_t{1} << half_bits_) - 1);
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t next = left ^ RoundFunction(round, right);
    left = right;
    right = next;
  }
  return (left << half_bits_) | right;
}

uint64_t Permutation::Decrypt(uint64_t value) const {
  uint64_t left = value >> half_bits_;
  uint64_t right = value & ((uint64_t{1} << half_bits_) - 1);
  for (int round = kRounds - 1; round >= 0; --round) {
    const uint64_t previous = right ^ RoundFunction(round, left);
    right = left;
    left = previous;
  }
  return (left << half_bits_) | right;
}

}  // namespace cadmus
