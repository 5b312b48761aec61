// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/quantity.h"

#include <gtest/gtest.h>

namespace cadmus {
namespace {

TEST(Quantity, FixedHasItsDigits) {
  EXPECT_EQ(FixedText(4.62312, 4), "4.6231");
  EXPECT_EQ(FixedText(0.5, 0), "0");
  EXPECT_EQ(FixedText(-2.5, 1), "-2.5");
}

TEST(Quantity, CompactHasThreeFigures) {
  EXPECT_EQ(CompactText(0), "0");
  EXPECT_EQ(CompactText(999), "999");
  EXPECT_EQ(CompactText(1000), "1.00k");
  EXPECT_EQ(CompactText(41'234), "41.2k");
  EXPECT_EQ(CompactText(999'499), "999k");
  EXPECT_EQ(CompactText(999'500), "1.00M");
  EXPECT_EQ(CompactText(1.07e23), "107Z");
}

TEST(Quantity, BytesHaveBinaryUnits) {
  EXPECT_EQ(BytesText(0), "0B");
  EXPECT_EQ(BytesText(1023), "1023B");
  EXPECT_EQ(BytesText(1024), "1.0KiB");
  EXPECT_EQ(BytesText((int64_t{71} << 30) + (int64_t{1} << 28)), "71.2GiB");
  EXPECT_EQ(BytesText(int64_t{33} << 49), "16.5PiB");
}

}  // namespace
}  // namespace cadmus
