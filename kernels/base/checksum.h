// SPDX-License-Identifier: Apache-2.0
// CRC32C (Castagnoli), the checksum of everything that Cadmus stores: "123456789" gives 0xE3069283.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace cadmus {

// Extends `crc` (0 at first) by `bytes`.
uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t crc = 0);

// XXH3, 128 bits, as 32 hexadecimal digits: the name of a content.
std::string ContentHash(std::span<const std::byte> bytes);

}  // namespace cadmus
