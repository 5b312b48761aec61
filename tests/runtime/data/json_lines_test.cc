// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/json_lines.h"

#include <gtest/gtest.h>

#include "tests/runtime/data/token_files.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::filesystem::path kFile = "books.jsonl";

void ExpectRefused(std::string_view line, std::string_view text) {
  SCOPED_TRACE(line);
  JsonLineParser parser("text");
  ExpectError(Kind::kData, AllOf(HasSubstr("books.jsonl:17: "), HasSubstr(std::string(text))), [&] {
    parser.TextOf(line, {kFile, 17});
  });
}

TEST(JsonLineParser, DecodesTheField) {
  JsonLineParser parser("content");
  EXPECT_EQ(parser.TextOf("{\"text\": 1, \"content\": \"a\\\"\\u20ac\\ud83d\\ude00\"}", {kFile, 1}),
            "a\"\u20ac\U0001F600");
  EXPECT_EQ(parser.TextOf(" {\"content\": \"\"}\r", {kFile, 2}), "");
  EXPECT_EQ(parser.TextOf("{\"content\": \"a\\u0000b\"}", {kFile, 2}), std::string_view("a\0b", 3));
}

TEST(JsonLineParser, NamesFileAndLineOfWhatIsBroken) {
  ExpectRefused("{\"text\": \"a", "broken JSON");
  ExpectRefused("{\"text\": \"a\"} x", "broken JSON");
  ExpectRefused("{\"text\": \"a\"}{\"text\": \"b\"}", "broken JSON");
  ExpectRefused("{\"text\": \"a\", \"b\": }", "broken JSON");
  ExpectRefused("{\"text\": \"\xff\"}", "broken JSON");
  ExpectRefused(std::string(5000, '['), "broken JSON");
  ExpectRefused("plain text", "broken JSON");
  ExpectRefused("\"text\"", "no JSON object");
  ExpectRefused("[1]", "no JSON object");
  ExpectRefused("{\"body\": \"a\", \"id\": 1}", "no field \"text\"");
  ExpectRefused("{\"body\": \"a\", \"id\": 1}", "--text-field; the line has: body, id");
  ExpectRefused("{\"text\": null}", "\"text\" is no string");
}

}  // namespace
}  // namespace cadmus
