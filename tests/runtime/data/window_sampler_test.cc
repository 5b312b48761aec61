// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/window_sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "runtime/data/indexed_dataset.h"
#include "tests/runtime/data/token_files.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Sample {
  std::vector<int32_t> tokens, labels, positions, documents;
};

Sample Take(const WindowSampler& sampler, int64_t g, int64_t sequence_length) {
  const auto s = static_cast<size_t>(sequence_length);
  Sample sample{std::vector<int32_t>(s), std::vector<int32_t>(s), std::vector<int32_t>(s),
                std::vector<int32_t>(s)};
  sampler.Fill(g, {.tokens = sample.tokens.data(),
                   .labels = sample.labels.data(),
                   .positions = sample.positions.data(),
                   .documents = sample.documents.data()});
  return sample;
}

IndexedDataset MakeDataset(const TemporaryFolder& folder, const std::vector<int64_t>& lengths,
                           int64_t vocab_size = 1000) {
  WriteDataset(folder / "set", CountingDocuments(lengths, vocab_size), vocab_size);
  return IndexedDataset(folder / "set");
}

TEST(WindowSampler, MasksLabelsAndRestartsPositionsAtDocuments) {
  TemporaryFolder folder;
  const IndexedDataset data = MakeDataset(folder, {3, 1, 0, 5});
  const WindowSampler sampler(data, {.sequence_length = 8, .vocab_size = 1000});
  ASSERT_EQ(sampler.windows_per_epoch(), 1);
  const Sample sample = Take(sampler, 0, 8);
  EXPECT_THAT(sample.tokens, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(sample.labels, ElementsAre(1, 2, -1, -1, 5, 6, 7, 8));
  EXPECT_THAT(sample.positions, ElementsAre(0, 1, 2, 0, 0, 1, 2, 3));
  EXPECT_THAT(sample.documents, ElementsAre(0, 0, 0, 1, 2, 2, 2, 2));
  EXPECT_EQ(sampler.SupervisedTokens(0), 6);
}

TEST(WindowSampler, MasksALastLabelThatBeginsADocument) {
  TemporaryFolder folder;
  const IndexedDataset data = MakeDataset(folder, {4, 3});
  const WindowSampler sampler(data, {.sequence_length = 4, .vocab_size = 1000});
  ASSERT_EQ(sampler.WindowBegin(0), 0);
  EXPECT_THAT(Take(sampler, 0, 4).labels, ElementsAre(1, 2, 3, -1));
  EXPECT_EQ(sampler.SupervisedTokens(0), 3);
}

TEST(WindowSampler, UnmaskedWindowIsOneDocument) {
  TemporaryFolder folder;
  const IndexedDataset data = MakeDataset(folder, {3, 1, 5});
  const WindowSampler sampler(
      data, {.sequence_length = 8, .vocab_size = 1000, .mask_across_documents = false});
  const Sample sample = Take(sampler, 0, 8);
  EXPECT_THAT(sample.labels, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_THAT(sample.positions, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(sample.documents, ElementsAre(0, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_EQ(sampler.SupervisedTokens(0), 8);
}

TEST(WindowSampler, EveryEpochVisitsEveryWindowOnceInItsOwnOrder) {
  TemporaryFolder folder;
  const IndexedDataset data = MakeDataset(folder, {100, 33, 1});
  const WindowSampler sampler(data, {.seed = 9, .sequence_length = 4, .vocab_size = 1000});
  const int64_t windows = sampler.windows_per_epoch();
  ASSERT_EQ(windows, 133 / 4);
  std::vector<std::vector<int64_t>> epochs;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    epochs.emplace_back();
    for (int64_t i = 0; i < windows; ++i) {
      epochs.back().push_back(sampler.WindowBegin(epoch * windows + i));
    }
    const std::set<int64_t> distinct(epochs.back().begin(), epochs.back().end());
    EXPECT_EQ(static_cast<int64_t>(distinct.size()), windows);
    EXPECT_EQ(*distinct.begin(), 0);
    EXPECT_EQ(*distinct.rbegin(), (windows - 1) * 4);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
}

TEST(WindowSampler, CountsSupervisedTokensAsTheLabelsDo) {
  TemporaryFolder folder;
  const IndexedDataset data =
      MakeDataset(folder, {1, 1, 1, 2, 0, 0, 17, 3, 1, 40, 1, 1, 0, 29, 64, 5, 0, 1, 1});
  for (bool mask : {true, false}) {
    for (int64_t s : {1, 2, 3, 7, 16, 31, 100, 167}) {
      const WindowSampler sampler(
          data,
          {.seed = 3, .sequence_length = s, .vocab_size = 1000, .mask_across_documents = mask});
      for (int64_t g = 0; g < sampler.windows_per_epoch() + 3; ++g) {
        const Sample sample = Take(sampler, g, s);
        ASSERT_EQ(sampler.SupervisedTokens(g),
                  std::count_if(sample.labels.begin(), sample.labels.end(),
                                [](int32_t label) { return label >= 0; }))
            << "S = " << s << ", g = " << g;
      }
    }
  }
}

// Each row against the definition, token by token, on the concatenation.
TEST(WindowSampler, FollowsItsDefinitionEverywhere) {
  TemporaryFolder folder;
  const std::vector<int64_t> lengths = {5, 1, 12, 2, 2, 1, 1, 30, 11};
  const IndexedDataset data = MakeDataset(folder, lengths);
  std::vector<int64_t> document_of;  // of each token
  for (size_t i = 0; i < lengths.size(); ++i) {
    document_of.insert(document_of.end(), static_cast<size_t>(lengths[i]), static_cast<int64_t>(i));
  }
  constexpr int64_t kLength = 9;
  const WindowSampler sampler(data, {.seed = 1, .sequence_length = kLength, .vocab_size = 1000});
  for (int64_t g = 0; g < sampler.windows_per_epoch(); ++g) {
    const auto begin = static_cast<size_t>(sampler.WindowBegin(g));
    const Sample sample = Take(sampler, g, kLength);
    int32_t position = 0;
    for (size_t i = 0; i < kLength; ++i) {
      const size_t t = begin + i;
      if (i > 0) position = document_of[t] == document_of[t - 1] ? position + 1 : 0;
      ASSERT_EQ(sample.tokens[i], static_cast<int32_t>(t));
      ASSERT_EQ(sample.labels[i],
                document_of[t] == document_of[t + 1] ? static_cast<int32_t>(t + 1) : -1);
      ASSERT_EQ(sample.positions[i], position);
      ASSERT_EQ(sample.documents[i], static_cast<int32_t>(document_of[t] - document_of[begin]));
    }
  }
}

TEST(WindowSampler, TakesTheShortestDataSetAndNoShorter) {
  TemporaryFolder folder;
  const IndexedDataset data = MakeDataset(folder, {5});
  EXPECT_EQ(WindowSampler(data, {.sequence_length = 4, .vocab_size = 9}).windows_per_epoch(), 1);
  ExpectError(Kind::kData, AllOf(HasSubstr("5 tokens"), HasSubstr("at most 4")),
              [&] { WindowSampler(data, {.sequence_length = 5, .vocab_size = 9}); });
  ExpectError(Kind::kConfig, HasSubstr("sequence_length = 0"),
              [&] { WindowSampler(data, {.sequence_length = 0, .vocab_size = 9}); });
}

TEST(WindowSampler, RefusesTokensOutsideTheVocabularyOfTheModel) {
  TemporaryFolder folder;
  const IndexedDataset data = MakeDataset(folder, {9});
  // Token 8 is only a label.
  const WindowSampler fits(data, {.sequence_length = 8, .vocab_size = 9});
  Take(fits, 0, 8);
  const WindowSampler sampler(data, {.sequence_length = 8, .vocab_size = 8});
  ExpectError(Kind::kData, AllOf(HasSubstr("token 8 is 8"), HasSubstr("vocabulary of 8")),
              [&] { Take(sampler, 0, 8); });
}

}  // namespace
}  // namespace cadmus
