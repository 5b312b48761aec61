// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/base64.h"

#include <gtest/gtest.h>

namespace cadmus {
namespace {

TEST(Base64, DecodesTheExamplesOfTheStandard) {
  EXPECT_EQ(DecodeBase64(""), "");
  EXPECT_EQ(DecodeBase64("Zg=="), "f");
  EXPECT_EQ(DecodeBase64("Zm8="), "fo");
  EXPECT_EQ(DecodeBase64("Zm9v"), "foo");
  EXPECT_EQ(DecodeBase64("Zm9vYmFy"), "foobar");
  EXPECT_EQ(DecodeBase64("/+8="), "\xFF\xEF");
}

TEST(Base64, RefusesWhatIsNotIt) {
  for (const std::string_view text : {"Z", "Zg", "Zg=", "Zm9v\n", "Zm9-", "Zh==", "Zm9=", "=Zg=",
                                      "Z===", "====", "Zg==Zg==", "\xFF\xFF\xFF\xFF"}) {
    EXPECT_EQ(DecodeBase64(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace cadmus
