// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/checksum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string_view>
#include <vector>

namespace cadmus {
namespace {

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
std::span<const std::byte> Bytes(const std::vector<uint8_t>& data) {
  return std::as_bytes(std::span(data));
}

// RFC 3720, appendix B.4.
TEST(Crc32c, GivesThePublishedKnownAnswers) {
  std::vector<uint8_t> ascending(32);
  std::iota(ascending.begin(), ascending.end(), uint8_t{0});
  std::vector<uint8_t> descending(ascending.rbegin(), ascending.rend());
  EXPECT_EQ(Crc32c({}), 0U);
  EXPECT_EQ(Crc32c(Bytes("123456789")), 0xE3069283U);
  EXPECT_EQ(Crc32c(Bytes(std::vector<uint8_t>(32, 0))), 0x8A9136AAU);
  EXPECT_EQ(Crc32c(Bytes(std::vector<uint8_t>(32, 0xFF))), 0x62A8AB43U);
  EXPECT_EQ(Crc32c(Bytes(ascending)), 0x46DD794EU);
  EXPECT_EQ(Crc32c(Bytes(descending)), 0x113FDB5CU);
}

TEST(Crc32c, PartsExtendToTheWhole) {
  std::vector<uint8_t> data(1009);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(i * i + 3 * i);
  const uint32_t whole = Crc32c(Bytes(data));
  for (size_t cut : {size_t{0}, size_t{1}, size_t{7}, size_t{512}, data.size()}) {
    EXPECT_EQ(Crc32c(Bytes(data).subspan(cut), Crc32c(Bytes(data).first(cut))), whole);
  }
}

TEST(Crc32c, AnyFlippedBitIsSeen) {
  std::vector<uint8_t> data(131, 0x5A);
  const uint32_t intact = Crc32c(Bytes(data));
  for (size_t bit = 0; bit < data.size() * 8; ++bit) {
    data[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
    EXPECT_NE(Crc32c(Bytes(data)), intact) << bit;
    data[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
  }
}

TEST(ContentHash, IsXxh3Of128BitsInHexadecimal) {
  EXPECT_EQ(ContentHash({}), "99aa06d3014798d86001c324468d497f");
  const std::string hash = ContentHash(Bytes("cadmus"));
  EXPECT_EQ(hash.size(), 32U);
  EXPECT_TRUE(std::all_of(hash.begin(), hash.end(),
                          [](char c) { return ('0' <= c && c <= '9') || ('a' <= c && c <= 'f'); }));
  EXPECT_EQ(ContentHash(Bytes("cadmus")), hash);
  EXPECT_NE(ContentHash(Bytes("cadmut")), hash);
}

}  // namespace
}  // namespace cadmus
