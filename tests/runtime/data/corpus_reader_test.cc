// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/corpus_reader.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "runtime/data/text_parts.h"
#include "tests/runtime/data/token_files.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

void WriteGzip(const std::string& path, std::string_view text) {
  gzFile file = ::gzopen(path.c_str(), "wb");
  ASSERT_EQ(::gzwrite(file, text.data(), static_cast<unsigned>(text.size())),
            static_cast<int>(text.size()));
  ASSERT_EQ(::gzclose(file), Z_OK);
}

std::vector<std::string> Read(const TextCorpus& corpus, CorpusCounts* counts = nullptr) {
  std::vector<std::string> documents;
  CorpusTexts reader(corpus, "text");
  while (auto text = reader.Next()) documents.push_back(*std::move(text));
  EXPECT_EQ(reader.Next(), std::nullopt);
  if (counts != nullptr) *counts = reader.counts();
  return documents;
}

TEST(CorpusReader, ReadsTextInTheOrderOfNamesToTheBottom) {
  TemporaryFolder folder;
  WriteText(folder / "c.md", "third");
  WriteText(folder / "a.txt", "first");
  WriteText(folder / "b/z.rst", "second, of b");
  WriteText(folder / "b/a/deep", "first of b");
  EXPECT_THAT(Read(TextCorpus(folder.path())),
              ElementsAre("first", "first of b", "second, of b", "third"));
}

TEST(CorpusReader, ReadsOneFile) {
  TemporaryFolder folder;
  WriteText(folder / "a.txt", "only\n");
  EXPECT_THAT(Read(TextCorpus(folder / "a.txt")), ElementsAre("only\n"));
}

TEST(CorpusReader, DecompressesGzipOfAnySizeAndManyMembers) {
  TemporaryFolder folder;
  std::string large;
  for (int i = 0; i < 100'000; ++i) large += StrCat(i, ' ');
  WriteGzip(folder / "a.gz", large);
  WriteGzip(folder / "b.gz", "one ");
  const std::string member = ReadFile(folder / "b.gz", Kind::kData);
  WriteText(folder / "b.gz", member + member);
  CorpusCounts counts;
  EXPECT_THAT(Read(TextCorpus(folder.path()), &counts), ElementsAre(large, "one one "));
  EXPECT_EQ(counts.text_bytes, static_cast<int64_t>(large.size()) + 8);
}

TEST(CorpusReader, CountsAndSkipsBinaryAndEmptyFiles) {
  TemporaryFolder folder;
  WriteText(folder / "binary", std::string("\x7f"
                                           "ELF\0rest",
                                           9));
  WriteText(folder / "late", std::string(1'000'000, 'x') + '\0');
  WriteGzip(folder / "packed.gz", std::string("a\0b", 3));
  WriteText(folder / "empty", "");
  WriteGzip(folder / "empty.gz", "");
  WriteText(folder / "latin", "caf\xe9");
  CorpusCounts counts;
  EXPECT_THAT(Read(TextCorpus(folder.path()), &counts), ElementsAre("caf\xe9"));
  EXPECT_EQ(counts.num_documents, 1);
  EXPECT_EQ(counts.text_bytes, 4);
  EXPECT_EQ(counts.skipped_binary, 3);
  EXPECT_EQ(counts.skipped_empty, 2);
}

TEST(CorpusReader, LeavesOutHiddenEntriesAndFollowsLinksToFilesOnly) {
  TemporaryFolder folder;
  WriteText(folder / ".git/config", "hidden");
  WriteText(folder / ".hidden", "hidden");
  WriteText(folder / "a/text", "text");
  std::filesystem::create_symlink(folder / "a/text", folder / "b");
  std::filesystem::create_directory_symlink(folder.path(), folder / "loop");
  std::filesystem::create_symlink(folder / "nowhere", folder / "dangling");
  EXPECT_THAT(Read(TextCorpus(folder.path())), ElementsAre("text", "text"));
}

TEST(CorpusReader, RefusesMissingAndEmptyFolders) {
  TemporaryFolder folder;
  ExpectError(Kind::kData, HasSubstr("no such file or folder"),
              [&] { TextCorpus(folder / "missing"); });
  ExpectError(Kind::kData, AllOf(HasSubstr("no file"), HasSubstr("give a folder")),
              [&] { TextCorpus(folder.path()); });
  WriteText(folder / "binary", std::string(3, '\0'));
  WriteText(folder / "empty", "");
  ExpectError(Kind::kData, HasSubstr("no text, 1 binary and 1 empty files"),
              [&] { Read(TextCorpus(folder.path())); });
}

TEST(CorpusReader, RefusesBrokenGzipByName) {
  TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += StrCat(i * i, ' ');
  WriteGzip(folder / "a.gz", text);
  const std::string whole = ReadFile(folder / "a.gz", Kind::kData);
  WriteText(folder / "a.gz", whole.substr(0, whole.size() / 2));
  ExpectError(Kind::kData, AllOf(HasSubstr("a.gz"), HasSubstr("replace the file")),
              [&] { Read(TextCorpus(folder.path())); });
  std::string flipped = whole;
  flipped[whole.size() / 2] = static_cast<char>(flipped[whole.size() / 2] ^ 0x10);
  WriteText(folder / "a.gz", flipped);
  ExpectError(Kind::kData, HasSubstr("a.gz"), [&] { Read(TextCorpus(folder.path())); });
}

TEST(CorpusReader, NamesAFileThatVanished) {
  TemporaryFolder folder;
  WriteText(folder / "a", "text");
  const TextCorpus corpus(folder.path());
  std::filesystem::remove(folder / "a");
  ExpectError(Kind::kData, HasSubstr(folder / "a"), [&] { Read(corpus); });
}

TEST(CorpusReader, ReadsTheRootsInTheOrderGiven) {
  TemporaryFolder folder;
  WriteText(folder / "b/text", "b");
  WriteText(folder / "a", "a");
  EXPECT_THAT(Read(TextCorpus(std::vector<std::filesystem::path>{folder / "b", folder / "a"})),
              ElementsAre("b", "a"));
}

TEST(CorpusReader, TakesADocumentFromEachJsonLine) {
  TemporaryFolder folder;
  WriteText(folder / "a.jsonl",
            "\xef\xbb\xbf{\"text\": \"one\\u00e9\\n\", \"id\": 1}\r\n\n  \n{\"text\":\"\"}\n"
            "{\"id\": {\"text\": \"inner\"}, \"text\": \"two\"}");
  WriteGzip(folder / "b.jsonl.gz", "{\"text\": \"three\"}\n");
  WriteText(folder / "c.ndjson", "{\"text\": \"four\"}\n");
  WriteText(folder / "d.json", "{\"text\": \"no JSON line\"}\n");
  WriteText(folder / "e.jsonl", "");
  CorpusCounts counts;
  EXPECT_THAT(
      Read(TextCorpus(folder.path()), &counts),
      ElementsAre("one\xc3\xa9\n", "two", "three", "four", "{\"text\": \"no JSON line\"}\n"));
  EXPECT_EQ(counts.num_documents, 5);
  EXPECT_EQ(counts.skipped_empty, 2);
  EXPECT_EQ(counts.text_bytes, 6 + 3 + 5 + 4 + 25);
}

TEST(CorpusReader, NumbersTheLinesAcrossPieces) {
  TemporaryFolder folder;
  std::string lines;
  for (int i = 0; i < 40'000; ++i) lines += StrCat("{\"text\": \"", std::string(60, 'x'), "\"}\n");
  WriteText(folder / "a.jsonl", lines + "{\"text\": \"cut");
  ExpectError(Kind::kData, HasSubstr(folder / "a.jsonl:40001: broken JSON"),
              [&] { Read(TextCorpus(folder.path())); });
}

// The parts of a long document, as a file and as a JSON line, are the same.
TEST(CorpusReader, CutsLongDocumentsAlikeInEveryForm) {
  TemporaryFolder folder;
  std::string text, line = "{\"text\": \"";
  for (int i = 0; text.size() < 3 * kTextPartBytes; ++i) {
    const std::string words = StrCat("line ", i, " of a long text");
    text += words + "\n";
    line += words + "\\n";
  }
  WriteText(folder / "file/a", text);
  WriteText(folder / "lines/a.jsonl", line + "\"}\n");
  std::filesystem::create_directory(folder / "gzip");
  WriteGzip(folder / "gzip/a.gz", text);
  const std::vector<std::string> parts = Read(TextCorpus(folder / "file"));
  EXPECT_EQ(parts.size(), 4u);
  std::string joined;
  for (const std::string& part : parts) joined += part;
  EXPECT_EQ(joined, text);
  EXPECT_EQ(Read(TextCorpus(folder / "lines")), parts);
  CorpusCounts counts;
  EXPECT_EQ(Read(TextCorpus(folder / "gzip"), &counts), parts);
  EXPECT_EQ(counts.num_documents, 1);
}

}  // namespace
}  // namespace cadmus
