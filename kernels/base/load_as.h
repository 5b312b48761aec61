// SPDX-License-Identifier: Apache-2.0
// LoadAs: a number from the bytes of a little-endian file, aligned or not.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>

namespace cadmus {

static_assert(std::endian::native == std::endian::little, "files are little-endian");

// Requires sizeof(T) bytes at `at`.
template <class T>
T LoadAs(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

}  // namespace cadmus
