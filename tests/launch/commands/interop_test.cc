// SPDX-License-Identifier: Apache-2.0
// `cadmus ckpt import|export` and checkpoint.start_from, from the command line.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "tests/launch/commands/run_fixture.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class Interop : public RunFixture {
 protected:
  // A trained run and its model as a folder of Hugging Face.
  Interop() {
    const CommandResult trained = Train({"train.steps=4"});
    EXPECT_EQ(trained.exit_code, 0) << trained.err;
    Expect(0, {"ckpt", "export", run_folder().string(), "--out", path("published")});
  }
  std::string Expect(int exit_code, const std::vector<std::string>& arguments) const {
    const CommandResult result = Cadmus(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    return exit_code == 0 ? result.out : result.err;
  }
  bool IsLeft(const std::string& name) const {
    return fs::exists(path(name)) || fs::exists(path(name + ".unfinished"));
  }
};

TEST_F(Interop, ExportedAndImportedModelIsTheSame) {
  Expect(0, {"ckpt", "import", path("published"), "--out", path("imported")});
  Expect(0, {"ckpt", "verify", path("imported")});
  const auto text = [&](const std::string& run) {
    return Expect(0, {"generate", run, "--prompt", "the quick", "--max-tokens", "12"});
  };
  EXPECT_EQ(text(path("imported")), text(run_folder().string()));

  Expect(0,
         {"ckpt", "export", path("imported"), "--out", path("again"), "--max-shard-size", "9KB"});
  EXPECT_TRUE(fs::exists(path("again/model.safetensors.index.json")));
  EXPECT_EQ(TensorsOf(path("again")), TensorsOf(path("published")));
  EXPECT_TRUE(fs::exists(path("again/tokenizer.json")));
}

TEST_F(Interop, NewRunStartsFromAnImportedModelInAnyLayout) {
  Expect(0, {"ckpt", "import", path("published"), "--out", path("imported")});
  // A step of length 0 leaves the weights as they were; the model comes from what is started from.
  std::ofstream(path("start.textproto"))
      << "output_dir: \"" << path("runs") << "\" data { path: \"" << path("tokens")
      << "\" sequence_length: 32 } train { steps: 1 global_batch_size: 4 } optimizer { lr: 0 "
         "warmup_steps: 0 weight_decay: 0 } device { memory_gib: 0.125 threads: 1 } checkpoint { "
         "start_from: \""
      << path("imported") << "\" }";
  const auto weights_after = [&](const std::string& name, const std::vector<std::string>& more) {
    Expect(0, With({"train", path("start.textproto"), "--set", "name=" + name}, more));
    Expect(0, {"ckpt", "export", path("runs/" + name), "--out", path("out-" + name)});
    return TensorsOf(path("out-" + name));
  };
  const auto published = TensorsOf(path("published"));
  EXPECT_EQ(weights_after("one", {}), published);
  EXPECT_EQ(weights_after("four", {"--ranks-as-threads", "4", "--set", "parallel.tp=2", "--set",
                                   "parallel.dp_shard=2", "--set", "parallel.zero=3"}),
            published);
  // It goes on from itself, even if what it started from is gone.
  fs::remove_all(path("imported"));
  Expect(0, {"train", path("start.textproto"), "--set", "name=one", "--set", "train.steps=2"});
}

TEST_F(Interop, StartingFromWhatDoesNotFitIsRefusedByName) {
  const std::string start = "checkpoint.start_from=" + run_folder().string();
  const CommandResult model =
      Train({start, "name=other", "model.llama.hidden_size=64", "model.llama.rope_theta=7"});
  EXPECT_EQ(model.exit_code, 2);
  EXPECT_THAT(model.err, AllOf(HasSubstr("model.llama.hidden_size: 32 there, 64 here"),
                               HasSubstr("model.llama.rope_theta: 10000 there, 7 here")));
  const std::string text = WriteText("other-text", 2);
  MakeTokenizer(text, 290, path("other.json"));
  MakeDataset(text, path("other.json"), path("other"));
  const CommandResult tokenizer = Train(
      {start, "name=other", "data.path=" + path("other"), "data.tokenizer=" + path("other.json")});
  EXPECT_EQ(tokenizer.exit_code, 3);
  EXPECT_THAT(tokenizer.err, HasSubstr("another tokenizer"));
  EXPECT_EQ(Train({"checkpoint.start_from=" + path("none"), "name=other"}).exit_code, 4);
}

TEST_F(Interop, WhatFailsLeavesNothingBehind) {
  EXPECT_THAT(Expect(2, {"ckpt", "export", run_folder().string(), "--out", path("published")}),
              HasSubstr("exists"));
  Expect(2,
         {"ckpt", "export", run_folder().string(), "--out", path("out"), "--max-shard-size", "5X"});
  Expect(2, {"ckpt", "import", path("published"), "--out", path("no name")});
  EXPECT_FALSE(IsLeft("no name"));
  for (const auto& entry : fs::directory_iterator(checkpoint(4))) {
    if (entry.path().extension() == ".safetensors") FlipByte(entry.path());
  }
  EXPECT_THAT(Expect(4, {"ckpt", "export", run_folder().string(), "--out", path("out")}),
              HasSubstr("damaged"));
  EXPECT_FALSE(IsLeft("out"));
  fs::remove(path("published/tokenizer.json"));
  EXPECT_THAT(Expect(3, {"ckpt", "import", path("published"), "--out", path("imported")}),
              HasSubstr("tokenizer.json"));
  fs::resize_file(path("published/model.safetensors"), 5000);
  EXPECT_THAT(Expect(4, {"ckpt", "import", path("published"), "--out", path("imported")}),
              HasSubstr("model.safetensors"));
  EXPECT_FALSE(IsLeft("imported"));
}

}  // namespace
}  // namespace cadmus
