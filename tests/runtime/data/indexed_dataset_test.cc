// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/indexed_dataset.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>

#include "tests/runtime/data/token_files.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

template <class T>
void Put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// An index as its parts say, right or wrong.
struct HandMadeIndex {
  std::string magic{"MMIDIDX\0\0", 9};
  uint64_t version = 1;
  uint8_t dtype_code = 8;
  uint64_t sequences = 3;
  uint64_t boundaries = 3;
  std::vector<int32_t> lengths = {3, 2, 1};
  std::vector<int64_t> pointers = {0, 6, 10};
  std::vector<int64_t> first_sequences = {0, 2, 3};  // the first document has two sequences

  std::string Bytes() const {
    std::string out = magic;
    Put(out, version);
    Put(out, dtype_code);
    Put(out, sequences);
    Put(out, boundaries);
    for (int32_t length : lengths) Put(out, length);
    for (int64_t pointer : pointers) Put(out, pointer);
    for (int64_t sequence : first_sequences) Put(out, sequence);
    return out;
  }
};

const std::string kSixTokens("\x01\0\x02\0\x03\0\x04\0\x05\0\x06\0", 12);

class IndexedDatasetTest : public ::testing::Test {
 protected:
  std::string prefix() const { return folder_ / "set"; }
  void Write(const HandMadeIndex& index, const std::string& tokens = kSixTokens) {
    WriteText(prefix() + ".idx", index.Bytes());
    WriteText(prefix() + ".bin", tokens);
  }
  std::vector<int32_t> ReadAll(const IndexedDataset& data) {
    std::vector<int32_t> tokens(static_cast<size_t>(data.num_tokens()));
    data.Read(0, data.num_tokens(), tokens.data());
    return tokens;
  }
  void ExpectRefused(const std::string& why) {
    ExpectError(Kind::kData, AllOf(HasSubstr(folder_.path().string()), HasSubstr(why)),
                [&] { IndexedDataset{prefix()}; });
  }

  TemporaryFolder folder_;
};

TEST_F(IndexedDatasetTest, WriterProducesTheMegatronLayoutByteForByte) {
  WriteDataset(prefix(), {{5, 6, 7}, {64000}}, 65499);
  const std::string index(
      "MMIDIDX\0\0"           // magic
      "\x01\0\0\0\0\0\0\0"    // version
      "\x08"                  // uint16
      "\x02\0\0\0\0\0\0\0"    // sequences
      "\x03\0\0\0\0\0\0\0"    // documents + 1
      "\x03\0\0\0\x01\0\0\0"  // lengths
      "\0\0\0\0\0\0\0\0"      // pointers
      "\x06\0\0\0\0\0\0\0"    //
      "\0\0\0\0\0\0\0\0"      // first sequences
      "\x01\0\0\0\0\0\0\0"    //
      "\x02\0\0\0\0\0\0\0",
      9 + 8 + 1 + 8 + 8 + 8 + 16 + 24);
  EXPECT_EQ(ReadFile(prefix() + ".idx", Kind::kData), index);
  EXPECT_EQ(ReadFile(prefix() + ".bin", Kind::kData), std::string("\5\0\6\0\7\0\x00\xfa", 8));
}

TEST_F(IndexedDatasetTest, WriterTakesFourBytesForLargeVocabularies) {
  WriteDataset(prefix(), {{65499, 1}}, 65500);
  EXPECT_EQ(ReadFile(prefix() + ".idx", Kind::kData)[17], 4);
  EXPECT_EQ(ReadFile(prefix() + ".bin", Kind::kData), std::string("\xdb\xff\0\0\1\0\0\0", 8));
  EXPECT_EQ(ReadAll(IndexedDataset(prefix())), (std::vector<int32_t>{65499, 1}));
}

TEST_F(IndexedDatasetTest, ReadsBackWhatWasWrittenAtAnyPlace) {
  std::mt19937 random(1);
  for (int64_t vocab_size : {40000, 200000}) {
    std::vector<int64_t> lengths = {1, 0, 7, 300'000, 1, 2};  // more than the writer's buffer
    for (int i = 0; i < 100; ++i) lengths.push_back(static_cast<int64_t>(random() % 50));
    const Documents documents = CountingDocuments(lengths, vocab_size);
    const std::vector<int32_t> all = Concatenate(documents);
    WriteDataset(prefix(), documents, vocab_size);
    const IndexedDataset data(prefix());
    ASSERT_EQ(data.num_documents(), static_cast<int64_t>(lengths.size()));
    ASSERT_EQ(data.num_tokens(), static_cast<int64_t>(all.size()));
    EXPECT_EQ(ReadAll(data), all);
    int64_t begin = 0;
    for (size_t i = 0; i < lengths.size(); ++i) {
      const auto document = static_cast<int64_t>(i);
      ASSERT_EQ(data.DocumentBegin(document), begin);
      ASSERT_EQ(data.DocumentLength(document), lengths[i]);
      if (lengths[i] > 0) {
        ASSERT_EQ(data.DocumentOf(begin), document);
        ASSERT_EQ(data.DocumentOf(begin + lengths[i] - 1), document);
      }
      begin += lengths[i];
    }
    EXPECT_EQ(data.DocumentBegin(data.num_documents()), data.num_tokens());
    for (int i = 0; i < 100; ++i) {
      const auto from = static_cast<int64_t>(random() % all.size());
      const auto count = static_cast<int64_t>(random() % (all.size() - static_cast<size_t>(from)));
      std::vector<int32_t> out(static_cast<size_t>(count));
      data.Read(from, count, out.data());
      ASSERT_TRUE(std::equal(out.begin(), out.end(), all.begin() + from));
    }
  }
}

TEST_F(IndexedDatasetTest, ReadsDocumentsOfSeveralSequences) {
  Write({});
  const IndexedDataset data(prefix());
  EXPECT_EQ(data.num_documents(), 2);
  EXPECT_EQ(data.DocumentLength(0), 5);
  EXPECT_EQ(data.DocumentLength(1), 1);
  EXPECT_EQ(ReadAll(data), (std::vector<int32_t>{1, 2, 3, 4, 5, 6}));
}

TEST_F(IndexedDatasetTest, ReadsEveryIntegerType) {
  const auto check = [&](uint8_t code, auto type) {
    using T = decltype(type);
    const auto size = static_cast<int64_t>(sizeof(T));
    std::string tokens;
    for (int i = 1; i <= 6; ++i) Put(tokens, static_cast<T>(20 * i));
    Write({.dtype_code = code, .pointers = {0, 3 * size, 5 * size}}, tokens);
    EXPECT_EQ(ReadAll(IndexedDataset(prefix())), (std::vector<int32_t>{20, 40, 60, 80, 100, 120}));
  };
  check(1, uint8_t{});
  check(2, int8_t{});
  check(3, int16_t{});
  check(4, int32_t{});
  check(5, int64_t{});
  check(8, uint16_t{});
}

TEST_F(IndexedDatasetTest, RefusesTokensThatDoNotFitInThirtyTwoBits) {
  std::string tokens;
  Put(tokens, int64_t{1} << 31);
  Write({.dtype_code = 5,
         .sequences = 1,
         .boundaries = 2,
         .lengths = {1},
         .pointers = {0},
         .first_sequences = {0, 1}},
        tokens);
  const IndexedDataset data(prefix());
  ExpectError(Kind::kData, HasSubstr("32 bits"), [&] { ReadAll(data); });
}

TEST_F(IndexedDatasetTest, NamesAMissingFile) {
  ExpectRefused("set.bin");
  WriteText(prefix() + ".bin", kSixTokens);
  ExpectRefused("set.idx");
}

TEST_F(IndexedDatasetTest, RefusesForeignFiles) {
  Write({.magic = "NOTANIDX!"});
  ExpectRefused("MMIDIDX");
  WriteText(prefix() + ".idx", "");
  ExpectRefused("MMIDIDX");
  Write({.version = 2});
  ExpectRefused("version 2");
  Write({.dtype_code = 7});
  ExpectRefused("dtype code 7");
  Write({.dtype_code = 0});
  ExpectRefused("dtype code 0");
}

TEST_F(IndexedDatasetTest, RefusesTheIndexCutAtAnyByte) {
  Write({});
  const std::string whole = ReadFile(prefix() + ".idx", Kind::kData);
  for (size_t size = 0; size < whole.size(); ++size) {
    WriteText(prefix() + ".idx", whole.substr(0, size));
    EXPECT_THROW(IndexedDataset{prefix()}, Error) << size;
  }
  WriteText(prefix() + ".idx", whole + "x");
  ExpectRefused("truncated or overwritten");
}

TEST_F(IndexedDatasetTest, RefusesTokensCutOrExtended) {
  Write({}, kSixTokens.substr(0, 11));
  ExpectRefused("set.bin: truncated");
  Write({}, "");
  ExpectRefused("set.bin: truncated");
  Write({}, kSixTokens + "x");
  ExpectRefused("set.bin: not the file of its index");
}

TEST_F(IndexedDatasetTest, RefusesCountsThatOverflow) {
  for (uint64_t huge : {uint64_t{1} << 62, ~uint64_t{0}, (~uint64_t{0} / 12) + 2}) {
    Write({.sequences = huge});
    ExpectRefused("sequences");
    Write({.boundaries = huge});
    ExpectRefused("document bounds");
  }
}

TEST_F(IndexedDatasetTest, RefusesAnIndexThatContradictsItself) {
  Write({.lengths = {3, -2, 1}});
  ExpectRefused("length -2");
  Write({.pointers = {0, 8, 10}});
  ExpectRefused("sequence 1 begins at byte 8");
  Write({.pointers = {2, 6, 10}});
  ExpectRefused("sequence 0 begins at byte 2");
  Write({.lengths = {3, 2147483647, 1}});
  ExpectRefused("truncated");
  Write({.first_sequences = {1, 2, 3}});
  ExpectRefused("document 0 begins at sequence 1");
  Write({.first_sequences = {0, 4, 3}});
  ExpectRefused("document 1 begins at sequence 4");
  Write({.first_sequences = {0, -1, 3}});
  ExpectRefused("document 1 begins at sequence -1");
  Write({.first_sequences = {0, 1, 2}});
  ExpectRefused("end at sequence 2 of 3");
}

TEST_F(IndexedDatasetTest, RefusesEmptyDataSets) {
  Write({.sequences = 0, .boundaries = 1, .lengths = {}, .pointers = {}, .first_sequences = {0}},
        "");
  ExpectRefused("empty");
  Write({.lengths = {0, 0, 0}, .pointers = {0, 0, 0}}, "");
  ExpectRefused("empty");
  ExpectError(Kind::kData, HasSubstr("empty"), [&] { WriteDataset(prefix(), {}, 10); });
  ExpectError(Kind::kData, HasSubstr("empty"), [&] { WriteDataset(prefix(), {{}, {}}, 10); });
}

TEST_F(IndexedDatasetTest, WriterRefusesTokensOutsideTheVocabulary) {
  for (int32_t token : {-1, 10, 70000}) {
    ExpectError(Kind::kData, HasSubstr("outside the vocabulary of 10"), [&] {
      WriteDataset(prefix(), {{1}, {2, token}}, 10);
    });
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(IndexedDatasetTest, NothingAppearsBeforeCommitAndTheOldSetStays) {
  WriteDataset(prefix(), {{1, 2, 3}}, 10);
  {
    IndexedDatasetWriter writer(prefix(), 10);
    writer.AddDocument(std::vector<int32_t>{4, 5});
    EXPECT_EQ(ReadAll(IndexedDataset(prefix())), (std::vector<int32_t>{1, 2, 3}));
  }
  EXPECT_EQ(ReadAll(IndexedDataset(prefix())), (std::vector<int32_t>{1, 2, 3}));
  WriteDataset(prefix(), {{4, 5}}, 10);
  EXPECT_EQ(ReadAll(IndexedDataset(prefix())), (std::vector<int32_t>{4, 5}));
}

TEST_F(IndexedDatasetTest, AnOpenDataSetOutlivesItsReplacement) {
  WriteDataset(prefix(), {{1, 2, 3}}, 10);
  const IndexedDataset old(prefix());
  WriteDataset(prefix(), {{4, 5}}, 10);
  EXPECT_EQ(ReadAll(old), (std::vector<int32_t>{1, 2, 3}));
}

TEST_F(IndexedDatasetTest, ReadingOutsideIsAnInvariant) {
  Write({});
  const IndexedDataset data(prefix());
  int32_t out[8];
  EXPECT_THROW(data.Read(-1, 2, out), Error);
  EXPECT_THROW(data.Read(5, 2, out), Error);
  EXPECT_THROW(data.Read(0, -1, out), Error);
  EXPECT_THROW(data.DocumentOf(6), Error);
  EXPECT_THROW(data.DocumentBegin(3), Error);
  data.Read(6, 0, out);
}

}  // namespace
}  // namespace cadmus
