// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/verify_dataset.h"

#include <gtest/gtest.h>

#include "runtime/data/build_dataset.h"
#include "tests/runtime/data/token_files.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class VerifyDatasetTest : public ::testing::Test {
 protected:
  VerifyDatasetTest() {
    WriteText(folder_ / "text/a", "one");
    WriteText(folder_ / "text/b", "two");
    BuildDataset(TextCorpus(folder_ / "text"), {.prefix = prefix_,
                                                .encode =
                                                    [](std::string_view text, auto& tokens) {
                                                      for (char c : text) tokens.push_back(c);
                                                    },
                                                .tokenizer_hash = "bytes",
                                                .vocab_size = 257,
                                                .end_of_text_id = 256});
  }

  std::vector<std::string> Faults() { return VerifyDataset(prefix_, std::nullopt).faults; }

  void Overwrite(const std::string& file, size_t at, std::string_view bytes) {
    std::string content = ReadFile(file, Kind::kData);
    WriteText(file, content.replace(at, bytes.size(), bytes));
  }

  TemporaryFolder folder_;
  std::string prefix_ = folder_ / "set";
};

TEST_F(VerifyDatasetTest, AGoodSetHasNoFaultsAndNothingIsLeftUnchecked) {
  const DatasetReport report =
      VerifyDataset(prefix_, ExpectedTokenizer{.hash = "bytes", .vocab_size = 257});
  EXPECT_THAT(report.faults, IsEmpty());
  EXPECT_THAT(report.notes, IsEmpty());
  EXPECT_EQ(report.num_documents, 2);
  EXPECT_EQ(report.num_tokens, 8);
}

TEST_F(VerifyDatasetTest, NamesEveryFault) {
  Overwrite(prefix_ + ".bin", 2, "\xff\x7f");  // token 1
  Overwrite(prefix_ + ".bin", 14, "x");        // the end of document 1
  EXPECT_THAT(Faults(), ElementsAre(AllOf(HasSubstr("set.bin: damaged"), HasSubstr("CRC32C")),
                                    HasSubstr("2 tokens are outside the vocabulary of 257, the "
                                              "first is token 1, 32767"),
                                    HasSubstr("1 document does not end with the end-of-text token "
                                              "256, the first is document 1")));
}

TEST_F(VerifyDatasetTest, NamesAnIndexThatContradictsItself) {
  Overwrite(prefix_ + ".idx", 34, "\xff\xff\xff\xff");  // the length of sequence 0
  EXPECT_THAT(Faults(),
              ElementsAre(HasSubstr("sequence 0 has length -1"), HasSubstr("set.idx: damaged")));
}

TEST_F(VerifyDatasetTest, NamesASidecarOfAnotherSet) {
  DataSidecar sidecar = *ReadSidecar(prefix_);
  sidecar.num_tokens = 9;
  sidecar.tokens_crc.reset();
  WriteSidecar(prefix_, sidecar);
  const DatasetReport report =
      VerifyDataset(prefix_, ExpectedTokenizer{.hash = "words", .vocab_size = 9});
  EXPECT_THAT(report.faults, ElementsAre(HasSubstr("describes 2 documents of 9 tokens"),
                                         HasSubstr("encoded by tokenizer bytes with 257")));
  EXPECT_THAT(report.notes, ElementsAre(HasSubstr("no checksum of")));
  WriteText(SidecarPath(prefix_), "{}");
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("broken sidecar")));
}

TEST_F(VerifyDatasetTest, SaysWhatCannotBeChecked) {
  std::filesystem::remove(SidecarPath(prefix_));
  const DatasetReport report = VerifyDataset(prefix_, std::nullopt);
  EXPECT_THAT(report.faults, IsEmpty());
  EXPECT_THAT(report.notes, ElementsAre(HasSubstr("no .meta.json")));
}

TEST_F(VerifyDatasetTest, ChecksTokenFilesAsFarAsTheyCanBe) {
  std::vector<int32_t> header(256, 0);
  header[0] = 20240520;
  header[1] = 1;
  header[2] = 2;
  WriteText(folder_ / "shard.bin",
            std::string(reinterpret_cast<const char*>(header.data()), 1024) + "\x01\x01\xff\xff");
  const DatasetReport report = VerifyDataset(folder_ / "shard.bin", std::nullopt);
  EXPECT_THAT(report.faults, ElementsAre(HasSubstr("1 token is outside the vocabulary of 50257, "
                                                   "the first is token 1, 65535")));
  EXPECT_THAT(report.notes, SizeIs(1));
}

TEST_F(VerifyDatasetTest, AMissingSetIsAFault) {
  EXPECT_THAT(VerifyDataset(folder_ / "missing", std::nullopt).faults,
              ElementsAre(HasSubstr("missing.bin")));
}

}  // namespace
}  // namespace cadmus
