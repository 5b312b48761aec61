// SPDX-License-Identifier: Apache-2.0
// Damaged, torn and interrupted checkpoints: found, named, and the one before is used.
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>

#include "kernels/base/file.h"
#include "runtime/checkpoint/list_checkpoints.h"
#include "runtime/checkpoint/verify_checkpoint.h"
#include "tests/runtime/checkpoint/save_and_load.h"
#include "tests/runtime/formats/file_contents.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

void FlipByte(const fs::path& path, int64_t offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(offset);
  const int byte = file.get();
  file.seekp(offset);
  file.put(static_cast<char>(byte ^ 0x20));
}

std::vector<std::string> NamesIn(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

// Two checkpoints of two ranks, at steps 100 and 200.
class DamagedCheckpoint : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const int64_t step : {100, 200}) {
      SaveSharded(
          {.folder = folder_.path(), .completed_steps = step, .num_ranks = 2, .tensors = tensors_});
    }
  }
  std::string WarningWhileFindingTheOlder() const {
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(FindLatestCheckpoint(folder_.path()), older_);
    return ::testing::internal::GetCapturedStderr();
  }

  TemporaryFolder folder_;
  fs::path older_ = folder_ / "step-00000100", newer_ = folder_ / "step-00000200";
  std::vector<TestTensor> tensors_ = SmallTensors();
};

TEST_F(DamagedCheckpoint, AFlippedByteAnywhereInAShardIsFoundAndNamed) {
  for (const std::string name : {"shard-000000.safetensors", "shard-000001.safetensors"}) {
    const fs::path path = newer_ / name;
    const auto size = static_cast<int64_t>(fs::file_size(path));
    const auto says_where =
        AllOf(HasSubstr(path.string()), HasSubstr(StrCat("bytes [0, ", size, ") are damaged")));
    for (int64_t offset = 0; offset < size; ++offset) {
      FlipByte(path, offset);
      EXPECT_THAT(VerifyCheckpoint(newer_).problems, ElementsAre(says_where)) << offset;
      if (offset % 64 == 0) {
        EXPECT_THAT(MessageOf(Kind::kCheckpoint, [&] { NumWrongAfterLoad(newer_, tensors_); }),
                    says_where);
      }
      FlipByte(path, offset);
    }
  }
  EXPECT_THAT(VerifyCheckpoint(newer_).problems, IsEmpty());
}

TEST_F(DamagedCheckpoint, ATruncatedShardIsTorn) {
  const fs::path path = newer_ / "shard-000001.safetensors";
  const auto size = fs::file_size(path);
  for (const auto shorter : {size - 1, size / 2, uintmax_t{0}}) {
    fs::resize_file(path, shorter);
    const auto says_what =
        AllOf(HasSubstr(path.string()),
              HasSubstr(StrCat("has ", shorter, " bytes, but the manifest says ", size)));
    EXPECT_THAT(VerifyCheckpoint(newer_).problems, ElementsAre(says_what));
    EXPECT_THAT(MessageOf(Kind::kCheckpoint, [&] { NumWrongAfterLoad(newer_, tensors_); }),
                says_what);
    EXPECT_THAT(WarningWhileFindingTheOlder(), says_what);
  }
}

TEST_F(DamagedCheckpoint, AMissingShardIsTorn) {
  fs::remove(newer_ / "shard-000000.safetensors");
  const auto names_it = HasSubstr((newer_ / "shard-000000.safetensors").string());
  EXPECT_THAT(VerifyCheckpoint(newer_).problems, ElementsAre(names_it));
  EXPECT_THAT(MessageOf(Kind::kCheckpoint, [&] { NumWrongAfterLoad(newer_, tensors_); }), names_it);
  EXPECT_THAT(WarningWhileFindingTheOlder(), names_it);
}

TEST_F(DamagedCheckpoint, OneWithoutManifestIsTorn) {
  fs::remove(newer_ / kManifestName);
  EXPECT_THAT(WarningWhileFindingTheOlder(), HasSubstr(newer_.string()));
  EXPECT_THAT(VerifyCheckpoint(newer_).problems, ElementsAre(HasSubstr("manifest.pb is missing")));
  EXPECT_EQ(NumWrongAfterLoad(older_, tensors_), 0);
}

TEST_F(DamagedCheckpoint, OneWithADamagedManifestIsTorn) {
  FlipByte(newer_ / kManifestName, 50);
  EXPECT_THAT(WarningWhileFindingTheOlder(), HasSubstr((newer_ / kManifestName).string()));
}

TEST_F(DamagedCheckpoint, AShardOfAnotherCheckpointIsFound) {
  // The same names, sizes and header, other values.
  std::vector<TestTensor> others = tensors_;
  SaveSharded({.folder = folder_ / "other",
               .num_ranks = 2,
               .tensors = others,
               .change = [](int, std::vector<StateEntry>& entries) {
                 for (StateEntry& entry : entries) {
                   if (entry.name == "experts") entry.local.data<double>()[0] += 1;
                 }
               }});
  fs::copy_file(folder_ / "other/step-00000100/shard-000001.safetensors",
                newer_ / "shard-000001.safetensors", fs::copy_options::overwrite_existing);
  EXPECT_THAT(VerifyCheckpoint(newer_).problems, ElementsAre(HasSubstr("shard-000001")));
}

TEST_F(DamagedCheckpoint, AHeaderThatContradictsTheManifestIsFound) {
  Manifest manifest = ReadManifest(newer_);
  std::ranges::find(manifest.tensors, "weight", &StoredTensor::name)->name = "renamed";
  WriteManifest(newer_, manifest);
  EXPECT_THAT(VerifyCheckpoint(newer_).problems,
              ElementsAre(HasSubstr("tensor renamed"), HasSubstr("tensor renamed")));
}

TEST_F(DamagedCheckpoint, ListingSaysWhichAreTornAndWhy) {
  fs::remove(newer_ / kManifestName);
  fs::create_directory(folder_ / "step-00000300.tmp");
  fs::create_directory(folder_ / "step-5");
  fs::create_directory(folder_ / "step-");
  WriteFile(folder_ / "step-00000400", "a file");
  const std::vector<CheckpointListing> listings = ListCheckpoints(folder_.path());
  ASSERT_THAT(listings, SizeIs(2));
  EXPECT_EQ(listings[0].path, older_);
  EXPECT_TRUE(listings[0].complete());
  EXPECT_EQ(listings[0].completed_steps, 100);
  EXPECT_EQ(listings[0].num_tensors, static_cast<int64_t>(tensors_.size()));
  EXPECT_EQ(listings[0].bytes, ReadManifest(older_).num_bytes());
  EXPECT_EQ(listings[1].completed_steps, 200);
  EXPECT_THAT(listings[1].torn, HasSubstr("manifest.pb is missing"));
}

TEST_F(DamagedCheckpoint, OnlyTheDamagedChunkIsNamedAndOtherTensorsStillLoad) {
  const std::vector<TestTensor> tensors = {
      {.name = "first", .dtype = DType::kF32, .shape = {1000}},
      {.name = "second", .dtype = DType::kF32, .shape = {2'200'000}}};
  SaveSharded({.folder = folder_.path(), .completed_steps = 300, .tensors = tensors});
  const fs::path checkpoint = folder_ / "step-00000300";
  FlipByte(checkpoint / "shard-000000.safetensors", (int64_t{4} << 20) + 5);
  EXPECT_THAT(VerifyCheckpoint(checkpoint).problems,
              ElementsAre(HasSubstr("bytes [4194304, 8388608) are damaged")));
  EXPECT_EQ(NumWrongAfterLoad(checkpoint, std::span(tensors).first(1)), 0);
  EXPECT_THAT(MessageOf(Kind::kCheckpoint, [&] { NumWrongAfterLoad(checkpoint, tensors); }),
              HasSubstr("bytes [4194304, 8388608) are damaged"));
}

// What a kill leaves behind, at each point of a save.
TEST_F(DamagedCheckpoint, ASaveKilledAnywhereIsIgnoredAndReplaced) {
  const std::vector<std::function<void(const fs::path&)>> left_behind = {
      [](const fs::path&) {},
      [](const fs::path& folder) { WriteFile(folder / "shard-000000.safetensors.tmp", "half"); },
      [&](const fs::path& folder) {
        fs::copy(older_ / "shard-000000.safetensors", folder);
        WriteFile(folder / "shard-000001.safetensors.tmp", "");
      },
      [&](const fs::path& folder) {
        fs::copy(older_, folder);
        fs::remove(folder / kManifestName);
      },
      [&](const fs::path& folder) {
        fs::copy(older_, folder);
        fs::rename(folder / kManifestName, folder / "manifest.pb.tmp");
      },
      [&](const fs::path& folder) { fs::copy(older_, folder); }};
  for (size_t i = 0; i < left_behind.size(); ++i) {
    fs::create_directory(folder_ / "step-00000300.tmp");
    left_behind[i](folder_ / "step-00000300.tmp");
    EXPECT_EQ(FindLatestCheckpoint(folder_.path()), newer_) << i;
    EXPECT_THAT(ListCheckpoints(folder_.path()), SizeIs(2)) << i;

    SaveSharded(
        {.folder = folder_.path(), .completed_steps = 300, .num_ranks = 3, .tensors = tensors_});
    EXPECT_THAT(NamesIn(folder_.path()),
                ElementsAre("step-00000100", "step-00000200", "step-00000300"));
    EXPECT_THAT(VerifyCheckpoint(folder_ / "step-00000300").problems, IsEmpty());
    EXPECT_EQ(NumWrongAfterLoad(folder_ / "step-00000300", tensors_), 0);
    fs::remove_all(folder_ / "step-00000300");
  }
}

TEST_F(DamagedCheckpoint, ASaveReplacesAnOlderOneOfTheSameStep) {
  FlipByte(newer_ / "shard-000000.safetensors", 9);
  SaveSharded(
      {.folder = folder_.path(), .completed_steps = 200, .num_ranks = 1, .tensors = tensors_});
  EXPECT_THAT(NamesIn(folder_.path()), ElementsAre("step-00000100", "step-00000200"));
  EXPECT_THAT(NamesIn(newer_), ElementsAre("manifest.pb", "shard-000000.safetensors"));
  EXPECT_THAT(VerifyCheckpoint(newer_).problems, IsEmpty());
}

TEST(FindLatestCheckpoint, AFolderThatIsMissingOrEmptyHasNone) {
  const TemporaryFolder folder;
  EXPECT_EQ(FindLatestCheckpoint(folder / "none"), std::nullopt);
  EXPECT_EQ(FindLatestCheckpoint(folder.path()), std::nullopt);
}

TEST(FindLatestCheckpoint, StepsAreOrderedAsNumbers) {
  const TemporaryFolder folder;
  for (const int64_t step : {99'999'999, 100'000'000, 3}) {
    fs::create_directory(folder / CheckpointName(step));
    WriteManifest(folder / CheckpointName(step), {.info = InfoOf(step)});
  }
  EXPECT_EQ(FindLatestCheckpoint(folder.path()), folder / "step-100000000");
}

// A file system of 1 MiB that unmounts itself.
class SmallFileSystem {
 public:
  explicit SmallFileSystem(const fs::path& path) : path_(path) {
    fs::create_directory(path);
    mounted_ = ::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=1m") == 0;
  }
  SmallFileSystem(const SmallFileSystem&) = delete;
  SmallFileSystem& operator=(const SmallFileSystem&) = delete;
  ~SmallFileSystem() {
    if (mounted_) ::umount(path_.c_str());
  }
  bool mounted() const { return mounted_; }

 private:
  fs::path path_;
  bool mounted_ = false;
};

TEST(FullDisk, AllRanksSaySoAndTheEarlierCheckpointStays) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  const SmallFileSystem disk(run);
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small file system needs root";
  const std::vector<TestTensor> small = SmallTensors();
  SaveSharded({.folder = run, .completed_steps = 100, .num_ranks = 2, .tensors = small});
  // Rank 0 has little to write; rank 1 finds the disk full.
  const std::vector<TestTensor> large = {
      {.name = "large", .dtype = DType::kF32, .shape = {2, 200'000}}};
  const std::string message = MessageOf(Kind::kCheckpoint, [&] {
    SaveSharded({.folder = run, .completed_steps = 200, .num_ranks = 2, .tensors = large});
  });
  EXPECT_THAT(message, AllOf(HasSubstr("rank "), HasSubstr((run / "step-00000200.tmp").string()),
                             HasSubstr("No space left on device"), HasSubstr("free space")));
  EXPECT_THAT(NamesIn(run), ElementsAre("step-00000100"));
  EXPECT_THAT(VerifyCheckpoint(run / "step-00000100").problems, IsEmpty());
  // There is room again.
  SaveSharded({.folder = run, .completed_steps = 200, .num_ranks = 2, .tensors = small});
  EXPECT_EQ(FindLatestCheckpoint(run), run / "step-00000200");
}

TEST(SaveCheckpoint, AFolderThatCannotBeMadeIsNamed) {
  const TemporaryFolder folder;
  WriteFile(folder / "file", "");
  EXPECT_THAT(MessageOf(Kind::kCheckpoint,
                        [&] {
                          SaveSharded({.folder = folder / "file/checkpoints",
                                       .num_ranks = 2,
                                       .tensors = SmallTensors()});
                        }),
              AllOf(HasSubstr("rank 0: cannot make the folder"), HasSubstr("file/checkpoints")));
}

}  // namespace
}  // namespace cadmus
