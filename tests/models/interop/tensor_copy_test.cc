// SPDX-License-Identifier: Apache-2.0
#include "models/interop/tensor_copy.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace cadmus {
namespace {

// Element (row, column) of a matrix of any size has a value of its own; nothing is stored.
float ValueAt(int64_t row, int64_t column) { return static_cast<float>(row * 4099 + column); }

std::vector<float> Copied(const Box& box, bool transposed, size_t& num_pieces) {
  std::vector<float> out;
  num_pieces = 0;
  CopyTensor({.from = DType::kF32,
              .read =
                  [](const Box& asked, std::span<std::byte> bytes) {
                    std::vector<float> values;
                    for (int64_t r = 0; r < asked.extent[0]; ++r) {
                      for (int64_t c = 0; c < asked.extent[1]; ++c) {
                        values.push_back(ValueAt(asked.offset[0] + r, asked.offset[1] + c));
                      }
                    }
                    ASSERT_EQ(bytes.size(), values.size() * sizeof(float));
                    std::memcpy(bytes.data(), values.data(), bytes.size());
                  },
              .box = box,
              .transposed = transposed,
              .to = DType::kF32},
             [&](std::span<const std::byte> piece) {
               EXPECT_LE(piece.size(), size_t{16} << 20);
               ++num_pieces;
               const size_t old = out.size();
               out.resize(old + piece.size() / sizeof(float));
               std::memcpy(out.data() + old, piece.data(), piece.size());
             });
  return out;
}

TEST(CopyTensor, RowsAndColumnsComeInPiecesOfBoundedSize) {
  size_t num_pieces = 0;
  const Box box{.offset = {5, 3}, .extent = {2049, 2111}};  // 17.3 MB
  const std::vector<float> rows = Copied(box, false, num_pieces);
  EXPECT_EQ(num_pieces, 2u);
  const std::vector<float> columns = Copied(box, true, num_pieces);
  EXPECT_EQ(num_pieces, 2u);
  ASSERT_EQ(rows.size(), size_t{2049 * 2111});
  ASSERT_EQ(columns.size(), rows.size());
  int64_t wrong = 0;
  for (int64_t r = 0; r < 2049; ++r) {
    for (int64_t c = 0; c < 2111; ++c) {
      wrong += rows[static_cast<size_t>(r * 2111 + c)] != ValueAt(5 + r, 3 + c);
      wrong += columns[static_cast<size_t>(c * 2049 + r)] != ValueAt(5 + r, 3 + c);
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(Copied({.offset = {0, 0}, .extent = {0, 4}}, false, num_pieces).empty());
}

}  // namespace
}  // namespace cadmus
