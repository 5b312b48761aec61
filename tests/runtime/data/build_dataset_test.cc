// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/build_dataset.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <cerrno>

#include "kernels/base/checksum.h"
#include "runtime/data/indexed_dataset.h"
#include "tests/runtime/data/token_files.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// One token a byte; 256 ends a text.
BuildDatasetOptions ByBytes(const std::string& prefix) {
  return {.prefix = prefix,
          .encode =
              [](std::string_view text, std::vector<int32_t>& tokens) {
                for (char c : text) tokens.push_back(static_cast<uint8_t>(c));
              },
          .tokenizer_hash = "bytes",
          .vocab_size = 257,
          .end_of_text_id = 256};
}

std::vector<int32_t> AllTokens(const std::string& prefix) {
  const IndexedDataset data(prefix);
  std::vector<int32_t> tokens(static_cast<size_t>(data.num_tokens()));
  data.Read(0, data.num_tokens(), tokens.data());
  return tokens;
}

int64_t CountFiles(const std::filesystem::path& folder) {
  int64_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

TEST(BuildDataset, EndsEveryDocumentAndReportsWhatItDid) {
  TemporaryFolder folder;
  WriteText(folder / "text/a", "hi");
  WriteText(folder / "text/b", "\xff");
  WriteText(folder / "text/c", std::string(1, '\0'));
  const BuildDatasetResult result =
      BuildDataset(TextCorpus(folder / "text"), ByBytes(folder / "out/deep/set"));
  EXPECT_THAT(AllTokens(folder / "out/deep/set"), ElementsAre('h', 'i', 256, 255, 256));
  EXPECT_EQ(result.corpus.skipped_binary, 1);
  EXPECT_EQ(result.sidecar.num_documents, 2);
  EXPECT_EQ(result.sidecar.num_tokens, 5);
  EXPECT_EQ(result.sidecar.source_bytes, 3);
  EXPECT_EQ(result.sidecar.source, folder / "text");
  EXPECT_EQ(ReadSidecar(folder / "out/deep/set"), result.sidecar);
  CheckSidecar(folder / "out/deep/set", result.sidecar,
               {.tokenizer_hash = "bytes", .vocab_size = 257, .num_documents = 2, .num_tokens = 5});
  EXPECT_EQ(CountFiles(folder / "out/deep"), 3);
}

TEST(BuildDataset, LeavesNothingBehindWhenEncodingFails) {
  TemporaryFolder folder;
  WriteText(folder / "text/a", "hi");
  std::filesystem::create_directory(folder / "out");
  BuildDatasetOptions options = ByBytes(folder / "out/set");
  options.vocab_size = 100;
  ExpectError(Kind::kData, HasSubstr("outside the vocabulary"),
              [&] { BuildDataset(TextCorpus(folder / "text"), options); });
  EXPECT_EQ(CountFiles(folder / "out"), 0);
}

TEST(BuildDataset, NamesAFolderThatCannotBeMade) {
  TemporaryFolder folder;
  WriteText(folder / "text", "hi");
  ExpectError(Kind::kData, HasSubstr(folder / "text/set"),
              [&] { BuildDataset(TextCorpus(folder / "text"), ByBytes(folder / "text/set")); });
}

TEST(BuildDataset, WritesTheSameBytesForAnyNumberOfThreads) {
  TemporaryFolder folder;
  std::string lines, text;
  for (int i = 0; i < 30'000; ++i) {
    lines += StrCat("{\"id\": ", i, ", \"body\": \"", std::string(static_cast<size_t>(i % 90), 'a'),
                    " and ", i * i, "\"}\n");
    text += StrCat("line ", i, " of a document of several parts, ", i * 7919, "\n");
  }
  WriteText(folder / "text/lines.jsonl", lines);
  WriteText(folder / "text/long", text);
  for (int i = 0; i < 50; ++i) WriteText(folder / StrCat("text/small/", i), StrCat("small ", i));
  std::vector<std::string> files;
  for (int num_threads : {1, 2, 7}) {
    const std::string prefix = folder / StrCat("set-", num_threads);
    BuildDatasetOptions options = ByBytes(prefix);
    options.text_field = "body";
    options.num_threads = num_threads;
    int64_t progress = 0;
    options.on_progress = [&](const BuildProgress& at) {
      EXPECT_GE(at.file_bytes, progress);
      progress = at.file_bytes;
    };
    const TextCorpus corpus(folder / "text");
    const BuildDatasetResult result = BuildDataset(corpus, options);
    EXPECT_EQ(result.sidecar.num_documents, 30'000 + 1 + 50);
    EXPECT_EQ(result.sidecar.num_tokens, result.sidecar.source_bytes + 30'051);
    EXPECT_EQ(progress, corpus.file_bytes());
    files.push_back(ReadFile(prefix + ".bin", Kind::kData) +
                    ReadFile(prefix + ".idx", Kind::kData) +
                    ReadFile(prefix + ".meta.json", Kind::kData));
  }
  EXPECT_TRUE(files[0] == files[1]);
  EXPECT_TRUE(files[0] == files[2]);
}

TEST(BuildDataset, TheSidecarHasTheChecksumsOfTheFiles) {
  TemporaryFolder folder;
  WriteText(folder / "text/a", std::string(2'000'000, 'x'));
  const DataSidecar sidecar =
      BuildDataset(TextCorpus(folder / "text"), ByBytes(folder / "set")).sidecar;
  const auto crc = [&](const std::string& name) {
    return Crc32c(MappedFile(folder / name, Kind::kData).bytes());
  };
  EXPECT_EQ(sidecar.tokens_crc, crc("set.bin"));
  EXPECT_EQ(sidecar.index_crc, crc("set.idx"));
  EXPECT_EQ(ReadSidecar(folder / "set"), sidecar);
}

TEST(BuildDataset, ABrokenLineLeavesTheOldSet) {
  TemporaryFolder folder;
  WriteText(folder / "text/a.jsonl", "{\"text\": \"old\"}\n");
  BuildDataset(TextCorpus(folder / "text"), ByBytes(folder / "out/set"));
  WriteText(folder / "text/a.jsonl", "{\"text\": \"new\"}\n{\"text\": \"ne\n");
  ExpectError(Kind::kData, HasSubstr("a.jsonl:2: broken JSON"),
              [&] { BuildDataset(TextCorpus(folder / "text"), ByBytes(folder / "out/set")); });
  EXPECT_THAT(AllTokens(folder / "out/set"), ElementsAre('o', 'l', 'd', 256));
  EXPECT_EQ(CountFiles(folder / "out"), 3);
}

struct Unmount {
  const std::filesystem::path& path;
  ~Unmount() { EXPECT_EQ(::umount(path.c_str()), 0); }
};

// Builds a small set, lets a larger build fail for lack of space, and expects the small one whole.
void ExpectOldSetSurvives(const TemporaryFolder& texts, const std::filesystem::path& out,
                          const std::function<void(const std::function<void()>&)>& without_space) {
  WriteText(texts / "small", "old");
  WriteText(texts / "large", std::string(1 << 20, 'x'));
  const std::string prefix = (out / "set").string();
  BuildDataset(TextCorpus(texts / "small"), ByBytes(prefix));
  without_space([&] {
    ExpectError(Kind::kData, HasSubstr(prefix),
                [&] { BuildDataset(TextCorpus(texts / "large"), ByBytes(prefix)); });
  });
  EXPECT_THAT(AllTokens(prefix), ElementsAre('o', 'l', 'd', 256));
  EXPECT_EQ(ReadSidecar(prefix)->num_tokens, 4);
  EXPECT_EQ(CountFiles(out), 3) << "a temporary file was left";
}

TEST(BuildDataset, KeepsTheOldSetWhenAFileMayNotGrow) {
  TemporaryFolder texts, out;
  ExpectOldSetSurvives(texts, out.path(), [](const std::function<void()>& build) {
    auto* const old_handler = ::signal(SIGXFSZ, SIG_IGN);
    rlimit old_limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
    const rlimit limit{.rlim_cur = 1 << 20, .rlim_max = old_limit.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    build();
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
    ::signal(SIGXFSZ, old_handler);
  });
}

TEST(BuildDataset, KeepsTheOldSetWhenTheDiskIsFull) {
  TemporaryFolder texts, out;
  if (::mount("tmpfs", out.path().c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "cannot mount a small tmpfs: " << ::strerror(errno);
  }
  const Unmount unmount{out.path()};
  ExpectOldSetSurvives(texts, out.path(), [](const std::function<void()>& build) { build(); });
}

}  // namespace
}  // namespace cadmus
