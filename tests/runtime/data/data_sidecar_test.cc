// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/data_sidecar.h"

#include <gtest/gtest.h>

#include "tests/runtime/data/token_files.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const DataSidecar kSidecar = {.tokenizer_hash = "abc123",
                              .vocab_size = 1000,
                              .end_of_text_id = 999,
                              .source = "/books",
                              .num_documents = 3,
                              .num_tokens = 70,
                              .source_bytes = int64_t{1} << 40};

SidecarExpectation Matching() {
  return {.tokenizer_hash = "abc123", .vocab_size = 1000, .num_documents = 3, .num_tokens = 70};
}

TEST(DataSidecar, ReadsBackWhatWasWritten) {
  TemporaryFolder folder;
  WriteSidecar(folder / "set", kSidecar);
  EXPECT_EQ(ReadSidecar(folder / "set"), kSidecar);
}

TEST(DataSidecar, IsAbsentForDataOfOtherTools) {
  TemporaryFolder folder;
  EXPECT_EQ(ReadSidecar(folder / "set"), std::nullopt);
}

TEST(DataSidecar, TakesSourcesThatAreNotUtf8) {
  TemporaryFolder folder;
  DataSidecar sidecar = kSidecar;
  sidecar.source = "/b\xff";
  WriteSidecar(folder / "set", sidecar);
  EXPECT_EQ(ReadSidecar(folder / "set")->num_tokens, 70);
}

TEST(DataSidecar, RefusesBrokenFilesByName) {
  TemporaryFolder folder;
  for (const char* text :
       {"", "{", "[]", "{\"tokenizer_hash\": 3}", "{\"tokenizer_hash\": \"a\"}"}) {
    WriteText(SidecarPath(folder / "set"), text);
    ExpectError(Kind::kData, AllOf(HasSubstr("set.meta.json"), HasSubstr("cadmus data build")),
                [&] { ReadSidecar(folder / "set"); });
  }
}

TEST(DataSidecar, MatchesItsTokenizerAndItsFiles) { CheckSidecar("set", kSidecar, Matching()); }

TEST(DataSidecar, RefusesAnotherTokenizerNamingBothAndTheFix) {
  SidecarExpectation other = Matching();
  other.tokenizer_hash = "def456";
  ExpectError(Kind::kData,
              AllOf(HasSubstr("abc123"), HasSubstr("def456"), HasSubstr("cadmus data build")),
              [&] { CheckSidecar("set", kSidecar, other); });
  SidecarExpectation larger = Matching();
  larger.vocab_size = 1001;
  ExpectError(Kind::kData, HasSubstr("1001"), [&] { CheckSidecar("set", kSidecar, larger); });
}

TEST(DataSidecar, RefusesTheFilesOfAnotherBuild) {
  SidecarExpectation fewer = Matching();
  fewer.num_tokens = 69;
  ExpectError(Kind::kData, AllOf(HasSubstr("69"), HasSubstr("cadmus data build")),
              [&] { CheckSidecar("set", kSidecar, fewer); });
  SidecarExpectation more = Matching();
  more.num_documents = 4;
  EXPECT_THROW(CheckSidecar("set", kSidecar, more), Error);
}

}  // namespace
}  // namespace cadmus
