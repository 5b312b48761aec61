// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/retention.h"

#include <gmock/gmock.h>

#include "kernels/base/file.h"
#include "runtime/checkpoint/checkpoint_config.pb.h"
#include "runtime/checkpoint/list_checkpoints.h"
#include "runtime/checkpoint/manifest.h"
#include "tests/runtime/formats/file_contents.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Retention : public ::testing::Test {
 protected:
  fs::path Path(int64_t step) const { return folder_ / CheckpointName(step); }
  void MakeComplete(int64_t step) const {
    MakeWithoutManifest(step);
    WriteManifest(Path(step), {.info = {.completed_steps = step}});
  }
  void MakeWithoutManifest(int64_t step) const {
    fs::create_directory(Path(step));
    WriteFile(Path(step) / "shard-000000.safetensors", "data");
  }
  void MakeDamaged(int64_t step) const {
    MakeWithoutManifest(step);
    WriteFile(Path(step) / kManifestName, "damaged");
  }
  std::vector<int64_t> Steps() const {
    std::vector<int64_t> steps;
    for (const CheckpointListing& listing : ListCheckpoints(folder_.path())) {
      steps.push_back(listing.completed_steps);
    }
    return steps;
  }

  TemporaryFolder folder_;
};

TEST_F(Retention, KeepsTheLastOnes) {
  for (const int64_t step : {10, 20, 30, 40, 50}) MakeComplete(step);
  EXPECT_THAT(ApplyRetention(folder_.path(), {.keep_last = 3}),
              ElementsAre("step-00000010", "step-00000020"));
  EXPECT_THAT(Steps(), ElementsAre(30, 40, 50));
  EXPECT_THAT(ApplyRetention(folder_.path(), {.keep_last = 3}), IsEmpty());
}

TEST_F(Retention, KeepsEveryStepAskedFor) {
  for (const int64_t step : {10, 20, 30, 40, 50}) MakeComplete(step);
  ApplyRetention(folder_.path(), {.keep_last = 1, .keep_every = 20});
  EXPECT_THAT(Steps(), ElementsAre(20, 40, 50));
}

TEST_F(Retention, KeepsAllWhereThereAreFew) {
  EXPECT_THAT(ApplyRetention(folder_.path(), {.keep_last = 3}), IsEmpty());
  EXPECT_THAT(ApplyRetention(folder_ / "none", {.keep_last = 3}), IsEmpty());
  MakeComplete(10);
  EXPECT_THAT(ApplyRetention(folder_.path(), {.keep_last = 1}), IsEmpty());
}

TEST_F(Retention, TornOnesDoNotCountSoTheLastGoodOneStays) {
  MakeComplete(10);
  MakeComplete(20);
  MakeDamaged(30);
  MakeWithoutManifest(40);
  EXPECT_THAT(ApplyRetention(folder_.path(), {.keep_last = 1}), ElementsAre("step-00000010"));
  EXPECT_THAT(Steps(), ElementsAre(20, 30, 40));
}

TEST_F(Retention, FinishesAnInterruptedRemoval) {
  MakeWithoutManifest(10);
  MakeDamaged(20);
  MakeComplete(30);
  EXPECT_THAT(ApplyRetention(folder_.path(), {.keep_last = 1}), ElementsAre("step-00000010"));
  EXPECT_THAT(Steps(), ElementsAre(20, 30));  // damaged ones are for people to look at
}

TEST_F(Retention, LeavesUnfinishedSavesAlone) {
  MakeComplete(10);
  MakeComplete(20);
  fs::create_directory(folder_ / "step-00000005.tmp");
  ApplyRetention(folder_.path(), {.keep_last = 1});
  EXPECT_TRUE(fs::exists(folder_ / "step-00000005.tmp"));
}

TEST(RetentionPolicy, ComesFromTheConfig) {
  CheckpointConfig config;
  EXPECT_EQ(MakeRetentionPolicy(config).keep_last, 3);
  EXPECT_EQ(MakeRetentionPolicy(config).keep_every, 0);
  config.set_keep_every(1000);
  EXPECT_EQ(MakeRetentionPolicy(config).keep_every, 1000);
  config.set_keep_every(-1);
  EXPECT_THAT(MessageOf(Kind::kConfig, [&] { MakeRetentionPolicy(config); }),
              HasSubstr("keep_every is -1"));
  config.set_keep_every(0);
  config.set_keep_last(0);
  EXPECT_THAT(MessageOf(Kind::kConfig, [&] { MakeRetentionPolicy(config); }),
              HasSubstr("keep_last is 0"));
}

}  // namespace
}  // namespace cadmus
