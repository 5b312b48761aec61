// SPDX-License-Identifier: Apache-2.0
// Token files of llm.c, and how paths lead to them.
#include "runtime/data/open_token_data.h"

#include <gtest/gtest.h>

#include "runtime/data/window_sampler.h"
#include "tests/runtime/data/token_files.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class T>
std::string Bytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

std::string Header(int32_t magic, int32_t version, int32_t num_tokens) {
  std::vector<int32_t> header(256, 0);
  header[0] = magic;
  header[1] = version;
  header[2] = num_tokens;
  return Bytes(header);
}

void WriteShard(const std::string& path, const std::vector<uint16_t>& tokens) {
  WriteText(path, Header(20240520, 1, static_cast<int32_t>(tokens.size())) + Bytes(tokens));
}

std::vector<int32_t> All(const TokenData& data) {
  std::vector<int32_t> tokens(static_cast<size_t>(data.num_tokens()));
  data.Read(0, data.num_tokens(), tokens.data());
  return tokens;
}

class TokenShardsTest : public ::testing::Test {
 protected:
  TokenShardsTest() {
    WriteShard(folder_ / "web/fineweb_train_000002.bin", {4, 50256, 5});
    WriteShard(folder_ / "web/fineweb_train_000001.bin", {50256, 1, 2, 3});
    WriteShard(folder_ / "web/fineweb_train_000003.bin", {});
    WriteShard(folder_ / "web/fineweb_train_000004.bin", {50256, 50256, 6});
  }

  TemporaryFolder folder_;
};

TEST_F(TokenShardsTest, FolderPatternAndFileAreReadInTheOrderOfNames) {
  const std::vector<int32_t> all = {50256, 1, 2, 3, 4, 50256, 5, 50256, 50256, 6};
  EXPECT_EQ(All(*OpenTokenData(folder_ / "web").tokens()), all);
  EXPECT_EQ(All(*OpenTokenData(folder_ / "web/fineweb_train_*.bin").tokens()), all);
  EXPECT_THAT(All(*OpenTokenData(folder_ / "web/fineweb_train_000002.bin").tokens()),
              ElementsAre(4, 50256, 5));
  EXPECT_EQ(OpenTokenData(folder_ / "web").shards->num_shards(), 4);
}

TEST_F(TokenShardsTest, DocumentsBeginAtTheSeparator) {
  const auto data = OpenTokenData(folder_ / "web").tokens();
  EXPECT_EQ(data->NextDocumentBegin(0, 10), 5);
  EXPECT_EQ(data->NextDocumentBegin(0, 5), 5) << "none before the limit";
  EXPECT_EQ(data->NextDocumentBegin(5, 10), 7);
  EXPECT_EQ(data->NextDocumentBegin(7, 10), 8);
  EXPECT_EQ(data->NextDocumentBegin(8, 10), 10);
  const WindowSampler sampler(*data, {.sequence_length = 9, .vocab_size = 50257});
  std::vector<int32_t> row(4 * 9);
  sampler.Fill(0, {&row[0], &row[9], &row[18], &row[27]});
  EXPECT_THAT(std::vector(row.begin() + 9, row.begin() + 18),
              ElementsAre(1, 2, 3, 4, -1, 5, -1, -1, 6));
  EXPECT_EQ(sampler.SupervisedTokens(0), 6);
}

TEST_F(TokenShardsTest, ReadsAnyRangeAcrossFiles) {
  const auto data = OpenTokenData(folder_ / "web").tokens();
  const std::vector<int32_t> all = All(*data);
  for (int64_t begin = 0; begin <= 10; ++begin) {
    for (int64_t end = begin; end <= 10; ++end) {
      std::vector<int32_t> some(static_cast<size_t>(end - begin));
      data->Read(begin, end - begin, some.data());
      EXPECT_EQ(some, std::vector(all.begin() + begin, all.begin() + end));
    }
  }
}

TEST_F(TokenShardsTest, ReadsLlamaTokens) {
  WriteText(folder_ / "llama.bin",
            Header(20240801, 7, 3) + Bytes(std::vector<uint32_t>{128000, 70000, 1}));
  const OpenedData data = OpenTokenData(folder_ / "llama.bin");
  EXPECT_THAT(All(*data.tokens()), ElementsAre(128000, 70000, 1));
  EXPECT_EQ(data.shards->vocab_size(), 128256);
}

TEST_F(TokenShardsTest, NamesTheFileThatIsBroken) {
  const auto refused = [&](const std::string& bytes, const std::string& text) {
    WriteText(folder_ / "bad.bin", bytes);
    ExpectError(Kind::kData, AllOf(HasSubstr(folder_ / "bad.bin"), HasSubstr(text)),
                [&] { OpenTokenData(folder_ / "bad.bin"); });
  };
  refused("", "less than a header");
  refused(std::string(2000, 'x'), "not with 20240520");
  refused(Header(20240520, 2, 0), "version 2, known is 1");
  refused(Header(20240520, 1, 3) + "1234", "3 tokens do not take 1028 bytes");
  refused(Header(20240520, 1, -1), "-1 tokens");
  WriteText(folder_ / "web/llama.bin", Header(20240801, 7, 0));
  ExpectError(Kind::kData, AllOf(HasSubstr("llama.bin"), HasSubstr("another tokenizer")),
              [&] { OpenTokenData(folder_ / "web"); });
}

TEST_F(TokenShardsTest, RefusesPathsThatMeanNoTokenFiles) {
  std::filesystem::create_directory(folder_ / "empty");
  ExpectError(Kind::kData, HasSubstr("no .bin file"), [&] { OpenTokenData(folder_ / "empty"); });
  ExpectError(Kind::kData, HasSubstr("no .bin file"), [&] { OpenTokenData(folder_ / "x_*.bin"); });
  WriteShard(folder_ / "web/fineweb_val_000000.bin", {1});
  ExpectError(Kind::kData, HasSubstr("*_train_*.bin"), [&] { OpenTokenData(folder_ / "web"); });
  WriteDataset(folder_ / "set", {{1, 2}}, 10);
  EXPECT_TRUE(OpenTokenData(folder_ / "set").indexed);
  ExpectError(Kind::kData, HasSubstr("name it by this prefix"),
              [&] { OpenTokenData(folder_ / "set.bin"); });
  ExpectError(Kind::kData, HasSubstr("missing.bin"), [&] { OpenTokenData(folder_ / "missing"); });
}

}  // namespace
}  // namespace cadmus
