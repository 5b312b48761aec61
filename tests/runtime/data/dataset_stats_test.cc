// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/dataset_stats.h"

#include <gtest/gtest.h>

#include "runtime/data/indexed_dataset.h"
#include "tests/runtime/data/token_files.h"

namespace cadmus {
namespace {

TEST(DatasetStats, CountsDocumentsTokensAndSeparators) {
  TemporaryFolder folder;
  WriteDataset(folder / "set", {{1, 2, 9}, {9}, {}, {3, 4, 5, 8, 9}}, 10);
  const DatasetStats stats = MeasureDataset(IndexedDataset(folder / "set"), 9);
  EXPECT_EQ(stats.num_documents, 3) << "the empty one is none";
  EXPECT_EQ(stats.num_tokens, 9);
  EXPECT_EQ(stats.largest_token, 9);
  EXPECT_EQ(stats.num_separators, 3);
  EXPECT_EQ(stats.lengths.least, 1);
  EXPECT_EQ(stats.lengths.median, 3);
  EXPECT_EQ(stats.lengths.most, 5);
  EXPECT_EQ(MeasureDataset(IndexedDataset(folder / "set"), std::nullopt).num_separators, 0);
}

TEST(DatasetStats, QuantilesAreLengthsOfDocuments) {
  TemporaryFolder folder;
  std::vector<int64_t> lengths;
  for (int64_t length = 1000; length >= 1; --length) lengths.push_back(length);
  WriteDataset(folder / "set", CountingDocuments(lengths, 100), 100);
  const DatasetStats::Lengths found =
      MeasureDataset(IndexedDataset(folder / "set"), std::nullopt).lengths;
  EXPECT_EQ(found.least, 1);
  EXPECT_EQ(found.p10, 100);
  EXPECT_EQ(found.median, 500);
  EXPECT_EQ(found.p90, 900);
  EXPECT_EQ(found.p99, 990);
  EXPECT_EQ(found.most, 1000);
}

}  // namespace
}  // namespace cadmus
