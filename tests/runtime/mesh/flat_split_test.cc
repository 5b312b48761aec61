// SPDX-License-Identifier: Apache-2.0
#include "runtime/mesh/flat_split.h"

#include <gtest/gtest.h>

namespace cadmus {
namespace {

TEST(FlatSplit, ShardsAreEvenAndCoverEveryElementOnce) {
  for (int64_t num_elements : {0, 1, 2, 7, 8, 97, 1000}) {
    for (int num_shards : {1, 2, 3, 7, 8, 64}) {
      const FlatSplit split(num_elements, num_shards);
      EXPECT_EQ(split.shard_elements() * num_shards, num_elements + split.padding());
      EXPECT_GE(split.padding(), 0);
      EXPECT_LT(split.padding(), num_shards);
      int64_t next = 0;
      for (int i = 0; i < num_shards; ++i) {
        const FlatRange range = split.Range(i);
        EXPECT_EQ(range.offset, next);
        EXPECT_LE(range.extent, split.shard_elements());
        EXPECT_GE(range.extent, 0);
        next += range.extent;
      }
      EXPECT_EQ(next, num_elements);
    }
  }
}

TEST(FlatSplit, TensorsBeyondFourGibiElementsAreSplitExactly) {
  const FlatSplit split(10'000'000'019, 16);
  EXPECT_EQ(split.shard_elements(), 625'000'002);
  EXPECT_EQ(split.padding(), 13);
  EXPECT_EQ(split.Range(15).offset + split.Range(15).extent, 10'000'000'019);
}

TEST(FlatSplit, ShardOutsideTheSplitIsRefused) {
  EXPECT_THROW(FlatSplit(4, 2).Range(2), Error);
  EXPECT_THROW(FlatSplit(4, 0), Error);
}

}  // namespace
}  // namespace cadmus
