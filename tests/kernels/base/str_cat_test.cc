// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/str_cat.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <limits>

namespace cadmus {
namespace {

TEST(StrCat, JoinsTextNumbersCharactersAndTruth) {
  EXPECT_EQ(StrCat(), "");
  EXPECT_EQ(StrCat("a", std::string("b"), std::string_view("c"), 'd', 1, true, false),
            "abcd1truefalse");
}

TEST(StrCat, IntegersOfAllWidthsKeepTheirValue) {
  EXPECT_EQ(StrCat(std::numeric_limits<int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(StrCat(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(StrCat(uint8_t{65}, int8_t{-1}, int16_t{-300}), "65-1-300");
}

TEST(StrCat, FloatsAreTheShortestTextThatReadsBack) {
  EXPECT_EQ(StrCat(0.1, " ", 0.1F, " ", 1e300, " ", 2.0), "0.1 0.1 1e+300 2");
  EXPECT_EQ(StrCat(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(std::strtod(StrCat(std::numeric_limits<double>::denorm_min()).c_str(), nullptr),
            std::numeric_limits<double>::denorm_min());
}

}  // namespace
}  // namespace cadmus
