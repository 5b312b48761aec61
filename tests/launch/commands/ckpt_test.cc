// SPDX-License-Identifier: Apache-2.0
// `cadmus ckpt inspect` and `diff` on the checkpoints of a tiny run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/launch/commands/run_fixture.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Json = nlohmann::json;

class CkptVerb : public RunFixture {
 protected:
  CkptVerb() { EXPECT_EQ(Train({"train.steps=8"}).exit_code, 0); }

  fs::path ShardOf(int step) const { return checkpoint(step) / "shard-000000.safetensors"; }
};

TEST_F(CkptVerb, InspectSaysWhatTheShardsHold) {
  for (const std::string& folder : {run_folder().string(), checkpoint(8).string()}) {
    const CommandResult result = Cadmus({"ckpt", "inspect", folder, "--json"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    const Json json = Json::parse(result.out);
    EXPECT_EQ(json.at("step"), 8);
    EXPECT_EQ(json.at("run"), "tiny");
    EXPECT_THAT(json.at("layout"), HasSubstr("dp_replicate 1"));
    EXPECT_THAT(json.at("config"), HasSubstr("hidden_size: 32"));
    EXPECT_THAT(json.at("config_summary"), HasSubstr("2 layers of width 32, 4 heads"));
    std::map<std::string, int64_t> bytes;
    for (const Json& tensor : json.at("tensors")) {
      bytes[tensor.at("name")] = tensor.at("bytes");
      EXPECT_EQ(tensor.at("state"), "there");
      EXPECT_EQ(tensor.at("dtype"), "F32");
      EXPECT_EQ(tensor.at("shards").at(0).at("file"), "shard-000000.safetensors");
    }
    const std::map<std::string, std::string> stored = TensorsOf(checkpoint(8));
    EXPECT_EQ(bytes.size(), stored.size());
    for (const auto& [name, content] : stored) {
      EXPECT_EQ(bytes[name], static_cast<int64_t>(content.size())) << name;
    }
  }
}

TEST_F(CkptVerb, InspectForPeopleGoesToStderr) {
  const CommandResult result = Cadmus({"ckpt", "inspect", run_folder().string(), "--checksums"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("run     tiny, step 8"));
  EXPECT_THAT(result.err, HasSubstr("  good  shard-000000.safetensors\n"));
}

TEST_F(CkptVerb, InspectFindsDamageByChecksumsAndMissingFilesWithout) {
  FlipByte(ShardOf(8));
  const std::string folder = checkpoint(8).string();
  EXPECT_EQ(Cadmus({"ckpt", "inspect", folder}).exit_code, 0);
  const CommandResult damaged = Cadmus({"ckpt", "inspect", folder, "--checksums", "--json"});
  EXPECT_EQ(damaged.exit_code, 4);
  EXPECT_THAT(damaged.err, HasSubstr("their checksum is not the manifest's"));
  EXPECT_EQ(Json::parse(damaged.out).at("tensors").at(0).at("state"), "damaged");
  fs::remove(ShardOf(8));
  const CommandResult missing = Cadmus({"ckpt", "inspect", folder});
  EXPECT_EQ(missing.exit_code, 4);
  EXPECT_THAT(missing.err, HasSubstr("shard-000000.safetensors"));
}

TEST_F(CkptVerb, DiffOfACopyIsEqualAndOfAnotherStepIsNot) {
  fs::copy(checkpoint(8), path("copy"));
  const CommandResult same = Cadmus({"ckpt", "diff", run_folder().string(), path("copy")});
  EXPECT_EQ(same.exit_code, 0) << same.err;
  EXPECT_EQ(same.out, "");
  EXPECT_THAT(same.err, HasSubstr("tensors are bit-equal\n"));

  const CommandResult text =
      Cadmus({"ckpt", "diff", checkpoint(4).string(), checkpoint(8).string()});
  EXPECT_EQ(text.exit_code, 4);
  EXPECT_THAT(text.err, HasSubstr("tensors are not bit-equal\n"));

  const CommandResult result =
      Cadmus({"ckpt", "diff", checkpoint(4).string(), checkpoint(8).string(), "--json"});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_EQ(result.err, "");
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json.at("equal"), false);
  for (const Json& tensor : json.at("tensors")) {
    ASSERT_EQ(tensor.at("state"), "other values") << tensor;
    EXPECT_GT(tensor.at("values").at("max_absolute"), 0);
    EXPECT_GE(tensor.at("values").at("max_absolute"), tensor.at("values").at("rms"));
  }
}

TEST_F(CkptVerb, FoldersThatHoldNoCheckpointAreNamed) {
  const std::string run = run_folder().string();
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"ckpt", "inspect", path("none")},
                                             {"ckpt", "diff", run, path("none")},
                                             {"ckpt", "diff", path("text"), run}}) {
    const CommandResult result = Cadmus(arguments);
    EXPECT_EQ(result.exit_code, 4);
    EXPECT_THAT(result.err, HasSubstr(folder().string()));
  }
}

}  // namespace
}  // namespace cadmus
