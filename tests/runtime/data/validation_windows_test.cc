// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/validation_windows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "runtime/data/indexed_dataset.h"
#include "tests/runtime/data/token_files.h"

namespace cadmus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kLength = 4;

struct Window {
  std::vector<int32_t> tokens = std::vector<int32_t>(kLength), labels = tokens, positions = tokens,
                       documents = tokens;
  std::vector<int64_t> label_documents = std::vector<int64_t>(kLength);
};

Window Take(const ValidationWindows& windows, int64_t window) {
  Window taken;
  windows.Fill(window, {.tokens = taken.tokens.data(),
                        .labels = taken.labels.data(),
                        .positions = taken.positions.data(),
                        .documents = taken.documents.data()});
  windows.FillDocuments(window, taken.label_documents);
  return taken;
}

class ValidationWindowsTest : public testing::Test {
 protected:
  // Documents of these lengths, whose tokens count 0, 1, 2, … through all of them.
  std::shared_ptr<const IndexedDataset> Data(const std::string& name,
                                             const std::vector<int64_t>& lengths) {
    WriteDataset(folder_ / name, CountingDocuments(lengths, 1000), 1000);
    return std::make_shared<IndexedDataset>(folder_ / name);
  }
  static ValidationWindows Windows(DataMix mix, int64_t max_windows = 0, bool mask = true) {
    return ValidationWindows(std::move(mix), {.sequence_length = kLength,
                                              .vocab_size = 1000,
                                              .mask_across_documents = mask,
                                              .max_windows = max_windows});
  }

  TemporaryFolder folder_;
};

TEST_F(ValidationWindowsTest, FollowEachOtherAndMaskTheEndOfTheLast) {
  const ValidationWindows windows = Windows({WholeOf(Data("set", {6, 4}))});
  ASSERT_EQ(windows.num_windows(), 3);
  EXPECT_EQ(windows.num_documents(), 2);
  const Window second = Take(windows, 1);
  EXPECT_THAT(second.tokens, ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(second.labels, ElementsAre(5, -1, 7, 8));
  EXPECT_THAT(second.positions, ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(second.documents, ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(second.label_documents, ElementsAre(0, 1, 1, 1));
  const Window last = Take(windows, 2);
  EXPECT_THAT(last.tokens, ElementsAre(8, 0, 0, 0));
  EXPECT_THAT(last.labels, ElementsAre(9, -1, -1, -1));
  EXPECT_THAT(last.documents, ElementsAre(0, 1, 1, 1));
  EXPECT_THAT(last.label_documents, ElementsAre(1, -1, -1, -1));
  EXPECT_THAT(Take(windows, 3).labels, ElementsAre(-1, -1, -1, -1));
}

// Whatever the lengths: every token but the first of a part is a label once, under its document;
// where documents are masked, all but their first.
TEST_F(ValidationWindowsTest, PredictEachTokenOnce) {
  const std::vector<int64_t> lengths = {1, 5, 4, 1, 1, 9, 2};
  const auto data = Data("set", lengths);
  for (int64_t first = 0; first < 12; ++first) {
    for (const bool mask : {true, false}) {
      for (int64_t count = 2; first + count <= data->num_tokens(); ++count) {
        const ValidationWindows windows =
            Windows({{.data = data, .first_token = first, .num_tokens = count}}, 0, mask);
        std::map<int32_t, int64_t> document_of;  // label → document
        for (int64_t w = 0; w < windows.num_windows(); ++w) {
          const Window window = Take(windows, w);
          for (size_t i = 0; i < kLength; ++i) {
            if (window.labels[i] < 0) continue;
            EXPECT_TRUE(document_of.emplace(window.labels[i], window.label_documents[i]).second);
          }
        }
        int64_t document = 0, begin = 0;
        size_t next = 0;
        for (int64_t token = 0; token < first + count; ++token) {
          const bool begins = token == begin;
          if (begins) begin += lengths[next++];
          if (begins && token > first) ++document;
          const bool predicted = token > first && !(begins && mask);
          ASSERT_EQ(document_of.contains(static_cast<int32_t>(token)), predicted)
              << "token " << token << " of " << first << " + " << count;
          if (predicted) {
            ASSERT_EQ(document_of.at(static_cast<int32_t>(token)), document);
          }
        }
        EXPECT_EQ(windows.num_documents(), document + 1);
      }
    }
  }
}

TEST_F(ValidationWindowsTest, AreTakenFromEachPartInProportion) {
  const auto large = Data("large", {33}), small = Data("small", {17});  // 8 and 4 windows
  const ValidationWindows windows = Windows({WholeOf(large), WholeOf(small)}, 3);
  ASSERT_EQ(windows.num_windows(), 3);
  EXPECT_THAT(Take(windows, 1).tokens, ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(Take(windows, 2).tokens, ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(windows.num_documents(), 2);
  EXPECT_EQ(Windows({WholeOf(large), WholeOf(small)}, 1000).num_windows(), 12);
}

TEST_F(ValidationWindowsTest, OfASingleTokenAreRefused) {
  try {
    Windows({WholeOf(Data("set", {1}))});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Kind::kData);
    EXPECT_THAT(e.what(), HasSubstr("too few"));
  }
}

}  // namespace
}  // namespace cadmus
