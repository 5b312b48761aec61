// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/data_mix.h"

#include <gtest/gtest.h>

#include "runtime/data/indexed_dataset.h"
#include "runtime/data/window_sampler.h"
#include "tests/runtime/data/token_files.h"

namespace cadmus {
namespace {

using ::testing::HasSubstr;

class DataMixTest : public ::testing::Test {
 protected:
  DataPart Documents(const std::vector<int64_t>& lengths) {
    WriteDataset(folder_ / "set", CountingDocuments(lengths, 1000), 1000);
    return WholeOf(std::make_shared<IndexedDataset>(folder_ / "set"), 2);
  }
  // Where validation begins.
  int64_t CutOf(const std::vector<int64_t>& lengths, double fraction) {
    const DataPart whole = Documents(lengths);
    const DataSplit split = SplitOff(whole, fraction);
    EXPECT_EQ(split.training.first_token, 0);
    EXPECT_EQ(split.validation.first_token, split.training.num_tokens);
    EXPECT_EQ(NumTokens({split.training, split.validation}), whole.num_tokens);
    EXPECT_EQ(split.validation.weight, 2);
    return split.validation.first_token;
  }

  TemporaryFolder folder_;
};

TEST_F(DataMixTest, HoldsOutTheLastDocuments) {
  EXPECT_EQ(CutOf({40, 40, 5, 15}, 0.2), 80) << "a document begins at the cut";
  EXPECT_EQ(CutOf({40, 38, 7, 15}, 0.2), 78) << "the document before is nearer";
  EXPECT_EQ(CutOf({40, 43, 2, 15}, 0.2), 83) << "the next is nearer";
  EXPECT_EQ(CutOf({40, 50, 10}, 0.2), 90) << "the last that leaves half of the fraction";
}

TEST_F(DataMixTest, CutsADocumentThatIsTooLongToKeepWhole) {
  EXPECT_EQ(CutOf({100}, 0.1), 90);
  EXPECT_EQ(CutOf({40, 51, 9}, 0.2), 80);
}

TEST_F(DataMixTest, RefusesASideWithoutTokens) {
  const DataPart part = Documents({9});
  ExpectError(Kind::kData, HasSubstr("validation_fraction"), [&] { SplitOff(part, 0.1); });
}

TEST_F(DataMixTest, WindowsOfTheTwoSidesShareNoToken) {
  const DataSplit split = SplitOff(Documents({60, 30, 31}), 0.25);
  constexpr int64_t kLength = 4;
  const auto last_token = [&](const DataPart& part) {
    const WindowSampler sampler(*part.data, {.seed = 1,
                                             .sequence_length = kLength,
                                             .vocab_size = 1000,
                                             .first_token = part.first_token,
                                             .num_tokens = part.num_tokens});
    int64_t last = 0;
    for (int64_t g = 0; g < sampler.windows_per_epoch(); ++g) {
      EXPECT_GE(sampler.WindowBegin(g), part.first_token);
      last = std::max(last, sampler.WindowBegin(g) + kLength);
    }
    return last;
  };
  EXPECT_EQ(split.validation.first_token, 91 - 1);
  EXPECT_LT(last_token(split.training), split.validation.first_token);
  EXPECT_LT(last_token(split.validation), 121);
}

}  // namespace
}  // namespace cadmus
