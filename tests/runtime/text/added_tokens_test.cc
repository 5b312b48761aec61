// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/added_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace cadmus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Parts as "text" or "id:text".
std::vector<std::string> Parts(const std::vector<AddedTokenMatcher::Name>& names,
                               std::string_view text) {
  std::vector<std::string> parts;
  AddedTokenMatcher(names).ForEachPart(text, [&](std::string_view part, std::optional<int32_t> id) {
    parts.push_back((id ? std::to_string(*id) + ":" : "") + std::string(part));
  });
  return parts;
}

TEST(AddedTokenMatcher, FindsTheLeftmostAndOfThoseTheLongest) {
  const std::vector<AddedTokenMatcher::Name> names = {
      {"<a>", {.id = 1}}, {"<a><b>", {.id = 2}}, {"b>", {.id = 3}}, {"<a", {.id = 4}}};
  EXPECT_THAT(Parts(names, "x<a>y"), ElementsAre("x", "1:<a>", "y"));
  EXPECT_THAT(Parts(names, "<a><b>"), ElementsAre("2:<a><b>"));
  EXPECT_THAT(Parts(names, "<a><b"), ElementsAre("1:<a>", "<b"));
  EXPECT_THAT(Parts(names, "<b><a"), ElementsAre("<", "3:b>", "4:<a"));
  EXPECT_THAT(Parts(names, ""), IsEmpty());
  EXPECT_THAT(Parts({}, "<a>"), ElementsAre("<a>"));
}

TEST(AddedTokenMatcher, TakesWhiteSpaceAlong) {
  EXPECT_THAT(Parts({{"|", {.id = 1, .lstrip = true}}}, "a \u3000\n|  b"),
              ElementsAre("a", "1: \u3000\n|", "  b"));
  EXPECT_THAT(Parts({{"|", {.id = 1, .rstrip = true}}}, "a |\t\u00A0|b"),
              ElementsAre("a ", "1:|\t\u00A0", "1:|", "b"));
  EXPECT_THAT(Parts({{"|", {.id = 1, .lstrip = true}}}, "| |  "), ElementsAre("1:|", "1: |", "  "));
  EXPECT_THAT(Parts({{"|", {.id = 1, .lstrip = true, .rstrip = true}}}, "\xFF | \xFF"),
              ElementsAre("\xFF", "1: | ", "\xFF"));
}

TEST(AddedTokenMatcher, SingleWordsStandAlone) {
  const std::vector<AddedTokenMatcher::Name> names = {{"no", {.id = 1, .single_word = true}}};
  EXPECT_THAT(Parts(names, "no not no, \u00E9no noé"),
              ElementsAre("1:no", " not ", "1:no", ", \u00E9no noé"));
  EXPECT_THAT(Parts(names, "_no (no) \xFFno"), ElementsAre("_no (", "1:no", ") \xFF", "1:no"));
}

}  // namespace
}  // namespace cadmus
