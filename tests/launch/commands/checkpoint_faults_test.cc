// SPDX-License-Identifier: Apache-2.0
// Damaged and torn checkpoints, a full disk, numbers that run away, too little memory: each is
// found and named, and nothing that was saved before is lost.
#include <errno.h>
#include <gmock/gmock.h>
#include <sys/mount.h>

#include <cstring>
#include <filesystem>

#include "kernels/base/str_cat.h"
#include "tests/launch/commands/run_fixture.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class CheckpointFaults : public RunFixture {
 protected:
  void ExpectGood(const fs::path& checkpoint) const {
    const CommandResult result = Cadmus({"ckpt", "verify", checkpoint.string()});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("good"));
  }
};

fs::path ShardOf(const fs::path& checkpoint) {
  for (const auto& entry : fs::directory_iterator(checkpoint)) {
    if (entry.path().extension() == ".safetensors") return entry.path();
  }
  ADD_FAILURE() << checkpoint << " has no shard";
  return {};
}

TEST_F(CheckpointFaults, FlippedByteIsFoundAndNamedAndNothingIsDeleted) {
  ASSERT_EQ(Train().exit_code, 0);
  ExpectGood(run_folder());
  const fs::path shard = ShardOf(checkpoint(12));
  FlipByte(shard);

  const CommandResult verify = Cadmus({"ckpt", "verify", run_folder().string()});
  EXPECT_EQ(verify.exit_code, 4);
  EXPECT_THAT(verify.err, HasSubstr(shard.filename().string()));

  const CommandResult resumed = Train({"train.steps=16"});
  EXPECT_EQ(resumed.exit_code, 4) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr(shard.string()));
  EXPECT_THAT(resumed.err, HasSubstr(StrCat("move ", checkpoint(12).string(), " away")));
  for (int step : {4, 8, 12}) EXPECT_TRUE(fs::exists(checkpoint(step) / "manifest.pb")) << step;
  ExpectGood(checkpoint(8));

  // The way out that it names.
  fs::rename(checkpoint(12), folder() / "damaged");
  const CommandResult recovered = Train({"train.steps=16"});
  EXPECT_EQ(recovered.exit_code, 0) << recovered.err;
  EXPECT_THAT(recovered.err, HasSubstr(StrCat("going on from ", checkpoint(8).string())));
  ExpectGood(checkpoint(16));
}

TEST_F(CheckpointFaults, TornNewestCheckpointIsSkippedWithAWarning) {
  ASSERT_EQ(Train({"train.steps=8"}).exit_code, 0);
  fs::remove(checkpoint(8) / "manifest.pb");
  EXPECT_THAT(Cadmus({"ckpt", "ls", run_folder().string()}).out, HasSubstr("torn"));

  const CommandResult resumed = Train({"train.steps=8"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("torn"));
  EXPECT_THAT(resumed.err, HasSubstr(StrCat("going on from ", checkpoint(4).string())));
  ExpectGood(checkpoint(8));
}

TEST_F(CheckpointFaults, FoldersThatAreNoneAreNamed) {
  for (const char* verb : {"ls", "verify"}) {
    const CommandResult result = Cadmus({"ckpt", verb, path("none")});
    EXPECT_EQ(result.exit_code, 4);
    EXPECT_THAT(result.err, HasSubstr(path("none")));
  }
}

// A small file system that goes away with the object.
class SmallDisk {
 public:
  explicit SmallDisk(fs::path folder) : folder_(std::move(folder)) {
    fs::create_directories(folder_);
    is_mounted_ = ::mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=1152k") == 0;
    if (!is_mounted_) error_ = std::strerror(errno);
  }
  ~SmallDisk() {
    if (is_mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool is_mounted() const { return is_mounted_; }
  const std::string& error() const { return error_; }

 private:
  fs::path folder_;
  bool is_mounted_ = false;
  std::string error_;
};

TEST_F(CheckpointFaults, FullDiskEndsTheRunAndKeepsWhatIsSaved) {
  const SmallDisk disk(folder() / "runs");
  if (!disk.is_mounted()) GTEST_SKIP() << "cannot mount a tmpfs: " << disk.error();
  // Three checkpoints do not fit, so the last cannot be saved.
  const CommandResult result = Train();
  EXPECT_EQ(result.exit_code, 4) << result.err;
  EXPECT_THAT(result.err, HasSubstr("No space left on device"));
  EXPECT_THAT(result.err, HasSubstr("free space or raise the quota"));
  EXPECT_THAT(result.err, HasSubstr("the run goes on without this checkpoint"));
  ExpectGood(checkpoint(4));
  ExpectGood(checkpoint(8));
  EXPECT_FALSE(fs::exists(checkpoint(12)));
  ExpectGood(run_folder());
}

TEST_F(CheckpointFaults, LossThatIsNotANumberEndsTheRunAndKeepsWhatIsSaved) {
  const CommandResult result = Train({"optimizer.lr=1e30", "optimizer.clip_norm=0",
                                      "optimizer.warmup_steps=0", "checkpoint.interval_steps=1"});
  EXPECT_EQ(result.exit_code, 5) << result.err;
  EXPECT_THAT(result.err, HasSubstr("nan"));
  EXPECT_THAT(result.err, HasSubstr("lower optimizer.lr"));
  ExpectGood(checkpoint(1));
  EXPECT_FALSE(ReadMetrics(run_folder()).empty());
}

TEST_F(CheckpointFaults, TooLittleMemoryNamesWhatIsNeededForWhat) {
  const CommandResult result = Train({"device.memory_gib=0.0005"});
  EXPECT_EQ(result.exit_code, 8) << result.err;
  EXPECT_THAT(result.err, HasSubstr("device.memory"));
  EXPECT_THAT(result.err, HasSubstr("smaller micro-batch"));
  EXPECT_THAT(result.err, HasSubstr("weights "));
}

}  // namespace
}  // namespace cadmus
