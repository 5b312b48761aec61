// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "cadmus-file-XXXXXX").string();
    CADMUS_CHECK(::mkdtemp(pattern.data()) != nullptr, "mkdtemp");
    folder_ = pattern;
  }
  ~FileTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

template <class Call>
std::pair<Kind, std::string> Failure(Call&& call) {
  try {
    call();
  } catch (const Error& e) {
    return {e.kind(), e.message()};
  }
  return {Kind::kInternal, "no error"};
}

TEST_F(FileTest, WhatIsWrittenIsReadBackAlsoEmptyAndBinary) {
  std::string large(300'001, 'x');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31);
  for (const std::string& content : {std::string(), std::string("a\0b", 3), large}) {
    const auto path = folder_ / "file";
    ReplaceFile(path, content, Kind::kData);
    EXPECT_EQ(ReadFile(path, Kind::kData), content);
    const MappedFile mapped(path, Kind::kData);
    const auto bytes = std::as_bytes(std::span(content.data(), content.size()));
    EXPECT_TRUE(std::ranges::equal(mapped.bytes(), bytes));
    EXPECT_EQ(mapped.path(), path);
    EXPECT_FALSE(std::filesystem::exists(folder_ / "file.tmp"));
  }
}

TEST_F(FileTest, MissingFilesAreErrorsOfTheGivenKindThatNameThem) {
  const auto path = folder_ / "missing";
  for (const auto& [kind, message] : {Failure([&] { ReadFile(path, Kind::kCheckpoint); }),
                                      Failure([&] { MappedFile(path, Kind::kCheckpoint); }),
                                      Failure([&] { OpenForReading(path, Kind::kCheckpoint); })}) {
    EXPECT_EQ(kind, Kind::kCheckpoint);
    EXPECT_THAT(message, AllOf(HasSubstr(path.string()), HasSubstr("check the path")));
  }
  const auto [kind, message] =
      Failure([&] { ReplaceFile(path / "below", "content", Kind::kData); });
  EXPECT_EQ(kind, Kind::kData);
  EXPECT_THAT(message, HasSubstr("check the path"));
}

TEST_F(FileTest, OnlyRegularFilesAreMapped) {
  EXPECT_THAT(Failure([&] { MappedFile(folder_, Kind::kData); }).second,
              HasSubstr("is not a regular file"));
}

TEST_F(FileTest, AMappedFileMoves) {
  ReplaceFile(folder_ / "a", "content", Kind::kData);
  MappedFile a(folder_ / "a", Kind::kData);
  const std::byte* data = a.bytes().data();
  MappedFile b(std::move(a));
  EXPECT_EQ(b.bytes().data(), data);
  EXPECT_TRUE(a.bytes().empty());  // NOLINT(bugprone-use-after-move)
  MappedFile c;
  c = std::move(b);
  EXPECT_EQ(c.bytes().data(), data);
  EXPECT_EQ(c.bytes().size(), 7U);
}

TEST_F(FileTest, NothingAppearsBeforeCommit) {
  const auto path = folder_ / "file";
  ReplaceFile(path, "old", Kind::kData);
  {
    AtomicFileWriter writer(path, Kind::kData);
    writer.Append("ne");
    EXPECT_EQ(ReadFile(path, Kind::kData), "old");
  }
  EXPECT_EQ(ReadFile(path, Kind::kData), "old");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "file.tmp"));
  AtomicFileWriter writer(path, Kind::kData);
  writer.Append("ne");
  writer.Append("w");
  writer.Commit();
  EXPECT_EQ(ReadFile(path, Kind::kData), "new");
}

TEST_F(FileTest, ACrashWithoutCommitLeavesTheOldFileAndTheNextWriterSucceeds) {
  const auto path = folder_ / "file";
  ReplaceFile(path, "old", Kind::kData);
  const pid_t child = ::fork();
  if (child == 0) {
    AtomicFileWriter writer(path, Kind::kData);
    writer.Append("half of the new cont");
    ::_exit(0);  // no destructor runs
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(ReadFile(path, Kind::kData), "old");
  EXPECT_TRUE(std::filesystem::exists(folder_ / "file.tmp"));
  ReplaceFile(path, "new", Kind::kData);
  EXPECT_EQ(ReadFile(path, Kind::kData), "new");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "file.tmp"));
}

TEST_F(FileTest, AFullDeviceIsAnErrorAndTheOldFileStays) {
  const auto path = folder_ / "file";
  ReplaceFile(path, "old", Kind::kCheckpoint);
  // Writing to this device always finds the disk full.
  std::filesystem::create_symlink("/dev/full", folder_ / "file.tmp");
  const auto [kind, message] = Failure([&] { ReplaceFile(path, "new", Kind::kCheckpoint); });
  EXPECT_EQ(kind, Kind::kCheckpoint);
  EXPECT_THAT(message, AllOf(HasSubstr("file.tmp"), HasSubstr("free space")));
  EXPECT_EQ(ReadFile(path, Kind::kCheckpoint), "old");
  EXPECT_FALSE(std::filesystem::is_symlink(folder_ / "file.tmp"));
}

TEST_F(FileTest, AFullDiskIsAnErrorAndTheOldFileStays) {
  const auto disk = folder_ / "disk";
  std::filesystem::create_directory(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "cannot mount a small tmpfs: " << std::strerror(errno);
  }
  const auto path = disk / "file";
  ReplaceFile(path, std::string(20'000, 'o'), Kind::kCheckpoint);
  const auto [kind, message] =
      Failure([&] { ReplaceFile(path, std::string(100'000, 'n'), Kind::kCheckpoint); });
  EXPECT_EQ(kind, Kind::kCheckpoint);
  EXPECT_THAT(message, HasSubstr("free space"));
  EXPECT_EQ(ReadFile(path, Kind::kCheckpoint), std::string(20'000, 'o'));
  EXPECT_FALSE(std::filesystem::exists(disk / "file.tmp"));
  ReplaceFile(path, "fits", Kind::kCheckpoint);
  EXPECT_EQ(ReadFile(path, Kind::kCheckpoint), "fits");
  EXPECT_EQ(::umount(disk.c_str()), 0) << std::strerror(errno);
}

TEST_F(FileTest, RelativePathsAreCommittedInTheWorkingFolder) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  ReplaceFile("plain-name", "content", Kind::kData);
  std::filesystem::current_path(before);
  EXPECT_EQ(ReadFile(folder_ / "plain-name", Kind::kData), "content");
}

}  // namespace
}  // namespace cadmus
