// SPDX-License-Identifier: Apache-2.0
#include "runtime/formats/require_json.h"

#include "tests/runtime/formats/file_contents.h"

namespace cadmus {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string Problem(std::string_view text) {
  return MessageOf(Kind::kData, [&] { RequireJson("a/b.json", text, Kind::kData); });
}

TEST(RequireJson, WhatIsWrongIsSaidWithItsPlace) {
  EXPECT_NO_THROW(
      RequireJson("a/b.json", R"({"a": [{"b": 1}, {"b": 2}], "c": null})", Kind::kData));
  EXPECT_THAT(Problem("{\n  \"a\": 1,\n  b\n}"),
              AllOf(HasSubstr("a/b.json: parse error at line 3, column 3")));
  EXPECT_THAT(Problem(""), HasSubstr("parse error at line 1"));
  EXPECT_THAT(Problem("{} {}"), HasSubstr("column 4"));
  EXPECT_THAT(Problem("{\"a\": \"\xFF\"}"), HasSubstr("invalid string"));
  EXPECT_THAT(Problem(R"({"x": {"a": 1, "b": 2, "a": 3}})"), HasSubstr("\"a\" stands twice"));
}

TEST(RequireJson, DeepNestingTakesNoStack) {
  const std::string deep(1 << 20, '[');
  EXPECT_THAT(Problem(deep), HasSubstr("parse error"));
}

}  // namespace
}  // namespace cadmus
