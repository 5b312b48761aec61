// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/mixed_sampler.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "runtime/data/indexed_dataset.h"
#include "runtime/data/loader.h"
#include "tests/runtime/data/token_files.h"

namespace cadmus {
namespace {

using ::testing::HasSubstr;

class MixedSamplerTest : public ::testing::Test {
 protected:
  // One document of `count` tokens, all equal to `token`, so that a sample tells its source.
  std::shared_ptr<const IndexedDataset> Uniform(int32_t token, int64_t count) {
    const std::string prefix = folder_ / StrCat("set-", token);
    WriteDataset(prefix, {std::vector<int32_t>(static_cast<size_t>(count), token)}, 1000);
    return std::make_shared<IndexedDataset>(prefix);
  }

  TemporaryFolder folder_;
};

constexpr WindowOptions kOptions = {.seed = 5, .sequence_length = 4, .vocab_size = 1000};

TEST_F(MixedSamplerTest, EachSourceRunsThroughItsOwnEpochs) {
  const DataMix mix = {WholeOf(Uniform(0, 4 * 30 + 1), 3), WholeOf(Uniform(1, 4 * 5 + 1), 1)};
  const MixedSampler sampler(mix, kOptions);
  std::map<int64_t, std::multiset<int64_t>> windows;  // by source
  for (int64_t g = 0; g < 40; ++g) {
    const Blend::Place place = sampler.PlaceOf(g);
    windows[place.source].insert(sampler.source(place.source).WindowBegin(place.sample));
    std::vector<int32_t> row(4 * 4);
    sampler.Fill(g, {&row[0], &row[4], &row[8], &row[12]});
    EXPECT_EQ(row[0], place.source);
    EXPECT_EQ(sampler.SupervisedTokens(g), 4);
  }
  for (int64_t window = 0; window < 30; ++window) EXPECT_EQ(windows[0].count(4 * window), 1u);
  for (int64_t window = 0; window < 5; ++window) EXPECT_EQ(windows[1].count(4 * window), 2u);
}

TEST_F(MixedSamplerTest, SourcesAreShuffledDifferently) {
  const auto data = Uniform(0, 4 * 50 + 1);
  const MixedSampler sampler({WholeOf(data), WholeOf(data)}, kOptions);
  int64_t num_equal = 0;
  for (int64_t i = 0; i < 50; ++i) {
    num_equal += sampler.source(0).WindowBegin(i) == sampler.source(1).WindowBegin(i) ? 1 : 0;
  }
  EXPECT_LT(num_equal, 10);
}

TEST_F(MixedSamplerTest, AMixOfOneIsThatDataSet) {
  const auto data = Uniform(0, 4 * 50 + 1);
  const MixedSampler mixed({WholeOf(data, 0.3)}, kOptions);
  const WindowSampler plain(*data, kOptions);
  for (int64_t g = 0; g < 120; ++g) {
    EXPECT_EQ(mixed.source(0).WindowBegin(mixed.PlaceOf(g).sample), plain.WindowBegin(g));
  }
}

TEST_F(MixedSamplerTest, ResumingAMixAnywhereEqualsNeverHavingStopped) {
  const DataMix mix = {WholeOf(Uniform(0, 93), 0.6), WholeOf(Uniform(1, 41), 0.3),
                       WholeOf(Uniform(2, 17), 0.1)};
  const LoaderOptions options = {.seed = 2,
                                 .sequence_length = 4,
                                 .global_batch_size = 6,
                                 .micro_batch_size = 3,
                                 .vocab_size = 1000};
  Loader whole(mix, options);
  for (int64_t step = 0; step < 12; ++step) {
    const std::vector<MicroBatch> expected = whole.Next().micro_batches;
    Loader resumed(mix, options);
    resumed.Seek(step);
    const StepBatch& batch = resumed.Next();
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(batch.micro_batches[i].tokens_BS, expected[i].tokens_BS) << "step " << step;
      EXPECT_EQ(batch.micro_batches[i].samples_B, expected[i].samples_B) << "step " << step;
    }
  }
}

TEST_F(MixedSamplerTest, NamesTheSourceThatIsTooShort) {
  const DataMix mix = {WholeOf(Uniform(0, 93)), WholeOf(Uniform(1, 4))};
  ExpectError(Kind::kData, HasSubstr("set-1: 4 tokens are fewer"),
              [&] { MixedSampler(mix, kOptions); });
}

}  // namespace
}  // namespace cadmus
