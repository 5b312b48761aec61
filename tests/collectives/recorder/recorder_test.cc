// SPDX-License-Identifier: Apache-2.0
#include "collectives/recorder/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/base/str_cat.h"

namespace cadmus {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

CallInfo Call(int64_t sequence) {
  return {.group = "dp_replicate",
          .op = CollectiveOp::kAllReduce,
          .sequence = sequence,
          .bytes = int64_t{4} << 20,
          .dtype = DType::kF32,
          .site = "gradients"};
}

TEST(Recorder, SaysInWordsHowFarEachCallCame) {
  Recorder recorder;
  recorder.Issue(Call(0));
  recorder.Start(recorder.Issue(Call(1)));
  const int64_t finished = recorder.Issue(Call(2));
  recorder.Start(finished);
  recorder.Finish(finished);
  const int64_t failed = recorder.Issue(Call(3));
  recorder.Start(failed);
  const int missing[] = {2, 5};
  recorder.Fail(failed, missing);

  const std::string dump = recorder.Dump();
  EXPECT_THAT(dump, HasSubstr("the last 4 collective calls of this rank:\n"));
  EXPECT_THAT(dump, ContainsRegex("  dp_replicate: all-reduce #0 'gradients' \\(4.0 MiB of F32\\): "
                                  "issued .* ago, not started\n"));
  EXPECT_THAT(dump, ContainsRegex("#1 [^\n]*: running for "));
  EXPECT_THAT(dump, ContainsRegex("#2 [^\n]*: finished .* ago, took "));
  EXPECT_THAT(dump, ContainsRegex("#3 [^\n]*: failed .* ago, without answer from ranks 2, 5\n"));
}

TEST(Recorder, KeepsTheLastCallsWhenTheRingIsFull) {
  Recorder recorder(3);
  const int64_t first = recorder.Issue(Call(0));
  for (int i = 1; i < 5; ++i) recorder.Issue(Call(i));
  recorder.Finish(first);  // long overwritten: ignored
  const std::vector<Recorder::Record> records = recorder.Snapshot();
  ASSERT_EQ(records.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(records[static_cast<size_t>(i)].sequence, 2 + i);
    EXPECT_EQ(records[static_cast<size_t>(i)].state, Recorder::State::kIssued);
  }
}

TEST(Recorder, CutsLongNamesAndManyPeers) {
  Recorder recorder;
  const std::string long_name(100, 'x');
  const int64_t id =
      recorder.Issue({.group = long_name, .op = CollectiveOp::kBarrier, .site = long_name});
  const std::vector<int> missing(20, 7);
  recorder.Fail(id, missing);
  const std::string dump = recorder.Dump();
  EXPECT_THAT(dump, HasSubstr(StrCat(std::string(31, 'x'), ": barrier")));
  EXPECT_THAT(dump, HasSubstr("7 and 12 more"));
  EXPECT_THAT(dump, Not(HasSubstr(long_name)));
}

TEST(Recorder, NamesSizesAndTimesInUnits) {
  EXPECT_EQ(BytesInWords(0), "0 bytes");
  EXPECT_EQ(BytesInWords(1), "1 byte");
  EXPECT_EQ(BytesInWords(1023), "1023 bytes");
  EXPECT_EQ(BytesInWords(1536), "1.5 KiB");
  EXPECT_EQ(BytesInWords(int64_t{3} << 30), "3.0 GiB");
  EXPECT_EQ(InWords(std::chrono::microseconds(12500)), "12.5 ms");
  EXPECT_EQ(InWords(std::chrono::seconds(20)), "20.0 s");
}

}  // namespace
}  // namespace cadmus
