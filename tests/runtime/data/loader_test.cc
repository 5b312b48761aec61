// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "runtime/data/indexed_dataset.h"
#include "tests/runtime/data/token_files.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int64_t kLength = 5;
constexpr int64_t kVocabulary = 1000;

class LoaderTest : public ::testing::Test {
 protected:
  LoaderTest() {
    WriteDataset(folder_ / "set",
                 CountingDocuments({3, 1, 14, 1, 1, 1, 1, 60, 2, 7, 33, 1, 1, 80}, kVocabulary),
                 kVocabulary);
    data_ = std::make_shared<const IndexedDataset>(folder_ / "set");
  }

  static LoaderOptions Options(int64_t global_batch_size, int64_t micro_batch_size) {
    return {.seed = 11,
            .sequence_length = kLength,
            .global_batch_size = global_batch_size,
            .micro_batch_size = micro_batch_size,
            .vocab_size = kVocabulary};
  }

  // The step's rows on all ranks, one string of numbers a sample, in the order of the ranks.
  struct Row {
    int64_t sample;
    std::vector<int32_t> entries;  // tokens, labels, positions, documents
    bool operator==(const Row&) const = default;
  };
  static void AppendRows(const StepBatch& batch, std::vector<Row>& rows) {
    for (const MicroBatch& micro : batch.micro_batches) {
      for (size_t b = 0; b < micro.samples_B.size(); ++b) {
        Row row{micro.samples_B[b], {}};
        for (const auto* field :
             {&micro.tokens_BS, &micro.labels_BS, &micro.positions_BS, &micro.documents_BS}) {
          const auto from = field->begin() + static_cast<int64_t>(b) * kLength;
          row.entries.insert(row.entries.end(), from, from + kLength);
        }
        rows.push_back(std::move(row));
      }
    }
  }
  static int64_t CountSupervised(const StepBatch& batch) {
    int64_t count = 0;
    for (const MicroBatch& micro : batch.micro_batches) {
      count += std::count_if(micro.labels_BS.begin(), micro.labels_BS.end(),
                             [](int32_t label) { return label >= 0; });
    }
    return count;
  }

  TemporaryFolder folder_;
  std::shared_ptr<const IndexedDataset> data_;
};

TEST_F(LoaderTest, RanksTogetherTrainOnTheGlobalBatchInEveryLayout) {
  constexpr int64_t kGlobal = 24;
  const GlobalBatch whole(data_, Options(kGlobal, kGlobal));
  StepBatch reference = whole.Allocate();
  bool unequal = false;
  for (int64_t step : {0, 1, 2, 5}) {  // 41 windows an epoch: step 1 crosses into the second
    whole.Fill(step, reference);
    std::vector<Row> expected;
    AppendRows(reference, expected);
    ASSERT_EQ(static_cast<int64_t>(expected.size()), kGlobal);
    EXPECT_EQ(expected.front().sample, step * kGlobal);
    EXPECT_EQ(reference.supervised_tokens, CountSupervised(reference));
    for (int64_t dp_count : {1, 2, 3, 4}) {
      for (int64_t micro : {1, 2, 3, 6}) {
        if (kGlobal % (dp_count * micro) != 0) continue;
        std::vector<Row> rows;
        std::set<int64_t> supervised_per_rank;
        for (int64_t rank = 0; rank < dp_count; ++rank) {
          LoaderOptions options = Options(kGlobal, micro);
          options.dp_index = rank;
          options.dp_count = dp_count;
          const GlobalBatch share(data_, options);
          StepBatch batch = share.Allocate();
          share.Fill(step, batch);
          EXPECT_EQ(static_cast<int64_t>(batch.micro_batches.size()), kGlobal / dp_count / micro);
          EXPECT_EQ(batch.step, step);
          EXPECT_EQ(batch.supervised_tokens, reference.supervised_tokens);
          supervised_per_rank.insert(CountSupervised(batch));
          AppendRows(batch, rows);
        }
        EXPECT_EQ(rows, expected) << dp_count << " ranks, micro-batches of " << micro;
        unequal = unequal || supervised_per_rank.size() > 1;
      }
    }
  }
  EXPECT_TRUE(unequal) << "the data set does not exercise unequal counts per rank";
}

TEST_F(LoaderTest, AnEpochSpreadOverStepsVisitsEveryWindowOnce) {
  Loader loader(data_, Options(1, 1));
  const int64_t windows = loader.global_batch().sampler().source(0).windows_per_epoch();
  std::set<int32_t> first_tokens;
  for (int64_t i = 0; i < windows; ++i) {
    first_tokens.insert(loader.Next().micro_batches[0].tokens_BS[0]);
  }
  EXPECT_EQ(static_cast<int64_t>(first_tokens.size()), windows);
}

TEST_F(LoaderTest, ReadingAheadEqualsReadingDirectly) {
  Loader loader(data_, Options(6, 2));
  const GlobalBatch direct(data_, Options(6, 2));
  StepBatch expected = direct.Allocate();
  for (int64_t step = 0; step < 50; ++step) {
    direct.Fill(step, expected);
    const StepBatch& batch = loader.Next();
    ASSERT_EQ(batch.step, step);
    ASSERT_EQ(batch.supervised_tokens, expected.supervised_tokens);
    std::vector<Row> rows, expected_rows;
    AppendRows(batch, rows);
    AppendRows(expected, expected_rows);
    ASSERT_EQ(rows, expected_rows);
  }
}

TEST_F(LoaderTest, ResumingAnywhereEqualsNeverHavingStopped) {
  std::vector<std::vector<Row>> uninterrupted;
  Loader loader(data_, Options(4, 2));
  for (int i = 0; i < 30; ++i) AppendRows(loader.Next(), uninterrupted.emplace_back());
  for (int64_t step : {0, 1, 7, 13, 29}) {
    Loader resumed(data_, Options(4, 2));
    resumed.Seek(step);
    loader.Seek(step);  // also where a batch is already read ahead
    for (auto k = static_cast<size_t>(step); k < 30; ++k) {
      std::vector<Row> rows, again;
      AppendRows(resumed.Next(), rows);
      AppendRows(loader.Next(), again);
      ASSERT_EQ(rows, uninterrupted[k]);
      ASSERT_EQ(again, uninterrupted[k]);
    }
  }
}

TEST_F(LoaderTest, ReusesTwoBuffers) {
  Loader loader(data_, Options(4, 2));
  std::vector<const int32_t*> addresses;
  for (int i = 0; i < 10; ++i) {
    const StepBatch& batch = loader.Next();
    addresses.push_back(batch.micro_batches[1].labels_BS.data());
  }
  EXPECT_NE(addresses[0], addresses[1]);
  for (size_t i = 2; i < addresses.size(); ++i) EXPECT_EQ(addresses[i], addresses[i - 2]);
}

TEST_F(LoaderTest, StopsWhateverTheReaderIsDoing) {
  for (int i = 0; i < 50; ++i) {
    Loader loader(data_, Options(4, 2));
    if (i % 3 == 1) loader.Seek(i);
    if (i % 3 == 2) loader.Next();
  }
}

TEST_F(LoaderTest, CarriesTheReadersErrorToNextAndGoesOnElsewhere) {
  LoaderOptions options = Options(1, 1);
  options.vocab_size = 205;  // the last token of the set, 205, is outside
  Loader loader(data_, options);
  const int64_t windows = loader.global_batch().sampler().source(0).windows_per_epoch();
  int failures = 0;
  for (int64_t step = 0; step < windows; ++step) {
    loader.Seek(step);
    try {
      EXPECT_EQ(loader.Next().step, step);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kData);
      EXPECT_THAT(error.message(), HasSubstr("outside the vocabulary of 205"));
      EXPECT_THROW(loader.Next(), Error) << "the same step fails again";
      ++failures;
    }
  }
  EXPECT_EQ(failures, 1);
}

TEST_F(LoaderTest, RefusesABatchThatPredictsNothing) {
  WriteDataset(folder_ / "ones", CountingDocuments({1, 1, 1, 1, 1, 1, 1}, 10), 10);
  const auto ones = std::make_shared<const IndexedDataset>(folder_ / "ones");
  Loader loader(
      ones,
      {.sequence_length = 3, .global_batch_size = 2, .micro_batch_size = 1, .vocab_size = 10});
  ExpectError(Kind::kData, AllOf(HasSubstr("step 0"), HasSubstr("mask_across_documents")),
              [&] { loader.Next(); });
}

TEST_F(LoaderTest, NamesTheNearestValidBatchSizes) {
  LoaderOptions options = Options(25, 3);
  options.dp_count = 2;
  ExpectError(Kind::kConfig, AllOf(HasSubstr("= 25"), HasSubstr("24 or 30")),
              [&] { Loader(data_, options); });
  options.global_batch_size = 4;
  ExpectError(Kind::kConfig, HasSubstr("set it to 6"), [&] { Loader(data_, options); });
  options.global_batch_size = 0;
  ExpectError(Kind::kConfig, HasSubstr("[1, "), [&] { Loader(data_, options); });
  options.global_batch_size = 6;
  options.micro_batch_size = 0;
  ExpectError(Kind::kConfig, HasSubstr("[1, "), [&] { Loader(data_, options); });
  options.micro_batch_size = int64_t{1} << 62;
  ExpectError(Kind::kConfig, HasSubstr("[1, "), [&] { Loader(data_, options); });
}

TEST_F(LoaderTest, RefusesSequencesLongerThanTheDataSet) {
  LoaderOptions options = Options(1, 1);
  options.sequence_length = data_->num_tokens();
  ExpectError(Kind::kData, HasSubstr("fewer than one sample"), [&] { Loader(data_, options); });
}

}  // namespace
}  // namespace cadmus
