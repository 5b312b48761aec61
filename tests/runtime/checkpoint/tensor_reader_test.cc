// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/tensor_reader.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "runtime/checkpoint/list_checkpoints.h"
#include "runtime/checkpoint/shard.h"
#include "tests/support/temporary_folder.h"

namespace cadmus {
namespace {

constexpr int64_t kRows = 5000, kColumns = 1000;

// Elements 0, 1, 2, … of I32: 20 MB, 5 chunks.
void WriteCounting(const std::filesystem::path& checkpoint) {
  std::filesystem::create_directories(checkpoint);
  const Shape shape = {kRows, kColumns};
  ShardWriter writer(checkpoint, 0,
                     {{.tensor = "counting",
                       .dtype = DType::kI32,
                       .shape = shape,
                       .box = {.offset = {0, 0}, .extent = shape}}});
  std::vector<int32_t> row(kColumns);
  for (int64_t i = 0; i < kRows; ++i) {
    std::iota(row.begin(), row.end(), static_cast<int32_t>(i * kColumns));
    writer.Append(std::as_bytes(std::span(row)));
  }
  WriteManifest(checkpoint, writer.Finish());
}

std::vector<int32_t> ReadBox(TensorReader& reader, const Box& box) {
  std::vector<int32_t> values;
  reader.Read(*reader.Find("counting"), box, [&](std::span<const std::byte> piece) {
    EXPECT_LE(piece.size(), size_t{16} << 20);
    const size_t old = values.size();
    values.resize(old + piece.size() / sizeof(int32_t));
    std::memcpy(values.data() + old, piece.data(), piece.size());
  });
  return values;
}

TEST(TensorReader, ReadsOnlyTheChunksThatHoldTheBox) {
  const TemporaryFolder folder;
  const std::filesystem::path checkpoint = folder / CheckpointName(0);
  WriteCounting(checkpoint);
  TensorReader rows(checkpoint);
  EXPECT_EQ(rows.Find("none"), nullptr);
  EXPECT_EQ(ReadBox(rows, {.offset = {4999, 7}, .extent = {1, 2}}),
            (std::vector<int32_t>{4999007, 4999008}));
  EXPECT_LE(rows.bytes_read(), kChecksumChunkBytes);
  ReadBox(rows, {.offset = {4999, 0}, .extent = {1, 2}});
  EXPECT_LE(rows.bytes_read(), kChecksumChunkBytes) << "a chunk is read once";

  TensorReader all(checkpoint);
  std::vector<int32_t> counting(kRows * kColumns);
  std::iota(counting.begin(), counting.end(), 0);
  EXPECT_EQ(ReadBox(all, {.offset = {0, 0}, .extent = {kRows, kColumns}}), counting);
  EXPECT_EQ(all.bytes_read(), all.manifest().files[0].bytes);
}

}  // namespace
}  // namespace cadmus
