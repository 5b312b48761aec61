// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/checksum.h"

#include <isa-l/crc.h>
#include <xxhash.h>

#include <algorithm>

namespace cadmus {

uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t crc) {
  uint32_t state = ~crc;
  while (!bytes.empty()) {
    const size_t n = std::min<size_t>(bytes.size(), size_t{1} << 30);  // the library counts in int
    // The library's argument lacks const; it only reads.
    state = crc32_iscsi(
        const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes.data())),
        static_cast<int>(n), state);
    bytes = bytes.subspan(n);
  }
  return ~state;
}

std::string ContentHash(std::span<const std::byte> bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (uint64_t half : {hash.high64, hash.low64}) {
    for (int shift = 60; shift >= 0; shift -= 4) out.push_back(kDigits[(half >> shift) & 15]);
  }
  return out;
}

}  // namespace cadmus
