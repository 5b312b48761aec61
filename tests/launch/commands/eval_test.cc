// SPDX-License-Identifier: Apache-2.0
// `cadmus eval` says what the run's last evaluation said, on any number of ranks; training with
// evaluations ends as it does without; a run that was stopped repeats every line.
#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/launch/commands/run_fixture.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

const std::vector<std::string> kHoldOut = {"data.validation_fraction=0.3"};
const std::vector<std::string> kEvaluate =
    With(kHoldOut, {"train.eval_interval_steps=5", "train.eval_batches=10"});

std::vector<nlohmann::json> Evaluations(const fs::path& run) {
  std::vector<nlohmann::json> lines;
  std::ifstream in(run / "metrics.jsonl");
  for (std::string line; std::getline(in, line);) {
    auto json = nlohmann::json::parse(line);
    json.erase("eval_seconds");
    if (json.contains("eval_loss")) lines.push_back(std::move(json));
  }
  return lines;
}

class Eval : public RunFixture {
 protected:
  nlohmann::json Evaluate(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"eval", run_folder().string(), "--json"});
    const CommandResult result = Cadmus(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return nlohmann::json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  }
  std::string ErrorOf(std::vector<std::string> arguments, int exit_code) const {
    arguments.insert(arguments.begin(), "eval");
    const CommandResult result = Cadmus(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    return result.err;
  }
};

TEST_F(Eval, RepeatsTheLastEvaluationOfTheRunOnAnyRanks) {
  const CommandResult trained = Train(kEvaluate);
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(trained.err, AllOf(HasSubstr("eval step 5: loss "), HasSubstr(" ± "),
                                 HasSubstr(" ppl "), HasSubstr(" bpb ")));
  const std::vector<nlohmann::json> lines = Evaluations(run_folder());
  ASSERT_EQ(lines.size(), 3u);  // after steps 5, 10 and 12
  const nlohmann::json& last = lines.back();
  EXPECT_EQ(last.at("step"), 12);
  EXPECT_LT(last.at("eval_loss"), lines.front().at("eval_loss"));

  const nlohmann::json alone = Evaluate({"--batches", "10"});
  EXPECT_EQ(alone.at("loss").at("value"), last.at("eval_loss"));
  EXPECT_EQ(alone.at("loss").at("standard_error"), last.at("eval_loss_se"));
  EXPECT_EQ(alone.at("bits_per_byte").at("value"), last.at("eval_bpb"));
  EXPECT_EQ(alone.at("tokens"), last.at("eval_tokens"));
  EXPECT_EQ(alone.at("documents"), last.at("eval_documents"));
  EXPECT_EQ(alone.at("step"), 12);

  const std::vector<std::vector<std::string>> layouts = {
      {"--ranks-as-threads", "3"},
      {"--ranks-as-threads", "4", "--set", "parallel.pp=2", "--set", "parallel.dp_shard=2", "--set",
       "parallel.zero=3"},
      {"--ranks-as-threads", "2", "--set", "parallel.tp=2", "--set", "train.micro_batch_size=3"}};
  const nlohmann::json all = Evaluate({});
  EXPECT_GT(all.at("tokens"), last.at("eval_tokens"));
  for (const std::vector<std::string>& layout : layouts) {
    const nlohmann::json laid_out = Evaluate(layout);
    EXPECT_EQ(laid_out.at("tokens"), all.at("tokens"));
    EXPECT_EQ(laid_out.at("bytes"), all.at("bytes"));
    // f32: sums over other ranks are rounded otherwise.
    EXPECT_NEAR(laid_out.at("loss").at("value").get<double>(),
                all.at("loss").at("value").get<double>(), 1e-5);
  }
}

TEST_F(Eval, TakesOtherDataAndCountsItsBytes) {
  ASSERT_EQ(Train().exit_code, 0);
  EXPECT_THAT(ErrorOf({run_folder().string()}, 2), HasSubstr("--data"));
  // As many as its text has: no token of a document's end is text, none is predicted from nothing.
  const std::string text = WriteText("other", 5);
  MakeDataset(text, path("tokenizer.json"), path("other-tokens"));
  const nlohmann::json json = Evaluate({"--data", path("other-tokens")});
  int64_t bytes = 0;
  for (const auto& file : fs::directory_iterator(text))
    bytes += static_cast<int64_t>(file.file_size());
  EXPECT_EQ(json.at("documents"), 20);
  EXPECT_LT(json.at("bytes"), bytes);
  EXPECT_GT(json.at("bytes"), bytes - 20 * 16);  // 20 first tokens, no word is longer
  const CommandResult people =
      Cadmus({"eval", checkpoint(8).string(), "--data", path("other-tokens")});
  EXPECT_EQ(people.exit_code, 0);
  EXPECT_THAT(people.err, AllOf(HasSubstr("step-00000008"), HasSubstr("nats per token"),
                                HasSubstr("20 documents")));
}

TEST_F(Eval, RefusesWhatItCannotEvaluate) {
  ASSERT_EQ(Train(With(kHoldOut, {"train.steps=4"})).exit_code, 0);
  EXPECT_THAT(ErrorOf({path("nowhere")}, 4), HasSubstr("is not a folder"));
  EXPECT_THAT(ErrorOf({run_folder().string(), "--set", "model.llama.dropout=0"}, 2),
              AllOf(HasSubstr("model.llama.dropout=0"), HasSubstr("parallel")));
  EXPECT_THAT(ErrorOf({run_folder().string(), "--set", "parallel.tp=2"}, 2), HasSubstr("tp"));
  EXPECT_THAT(ErrorOf({run_folder().string(), "--data", path("nothing")}, 3), HasSubstr("nothing"));
  MakeTokenizer(WriteText("more", 9), 290, path("foreign.json"));
  MakeDataset(path("more"), path("foreign.json"), path("foreign"));
  EXPECT_THAT(ErrorOf({run_folder().string(), "--data", path("foreign")}, 3), HasSubstr("foreign"));
}

TEST_F(Eval, DuringTrainingChangesNoBitOfIt) {
  ASSERT_EQ(Train(kHoldOut, 2).exit_code, 0);
  const auto tensors = TensorsOf(checkpoint(12));
  const auto metrics = ReadMetrics(run_folder());
  fs::remove_all(run_folder());
  ASSERT_EQ(Train(kEvaluate, 2).exit_code, 0);
  EXPECT_TRUE(TensorsOf(checkpoint(12)) == tensors);
  EXPECT_TRUE(ReadMetrics(run_folder()) == metrics);
  EXPECT_EQ(Evaluations(run_folder()).size(), 3u);
}

// A stop does not wait for the evaluation of its step; the run that goes on makes up for it.
TEST_F(Eval, OfARunThatWasStoppedIsThatOfOneThatWasNot) {
  const std::vector<std::string> overrides =
      With(With(kSlowSteps, kHoldOut), {"train.eval_interval_steps=1", "train.eval_batches=1"});
  ASSERT_EQ(Train(overrides).exit_code, 0);
  const auto evaluations = Evaluations(run_folder());
  const auto metrics = ReadMetrics(run_folder());
  ASSERT_EQ(evaluations.size(), 12u);
  fs::remove_all(run_folder());
  {
    Process process(TrainCommand(overrides));
    process.AwaitError("eval step 5:");
    ::kill(process.pid(), SIGUSR1);
    EXPECT_EQ(process.Wait().exit_code, 75);
  }
  EXPECT_EQ(Evaluations(run_folder()).size() + 1, ReadMetrics(run_folder()).size());
  ASSERT_EQ(Train(overrides).exit_code, 0);
  EXPECT_EQ(Evaluations(run_folder()), evaluations);
  EXPECT_TRUE(ReadMetrics(run_folder()) == metrics);
}

TEST_F(Eval, RunsOfOtherSchedulesOrBatchesAreOtherRuns) {
  const std::vector<std::string> overrides = {"train.global_batch_size=0",
                                              "train.global_batch_tokens=128",
                                              "optimizer.schedule=WSD", "optimizer.decay_steps=4"};
  ASSERT_EQ(Train(With(overrides, {"train.steps=8"})).exit_code, 0);
  const auto refused = [&](const std::string& override) {
    const CommandResult result = Train(With(overrides, {override}));
    EXPECT_EQ(result.exit_code, 2) << override;
    return result.err;
  };
  EXPECT_THAT(refused("optimizer.decay_steps=5"), HasSubstr("decay_steps"));
  EXPECT_THAT(refused("optimizer.decay=LINEAR_DECAY"), HasSubstr("decay"));
  EXPECT_THAT(refused("train.global_batch_tokens=256"), HasSubstr("global_batch_size"));
  // 4 samples of 32 tokens, however they are given.
  EXPECT_EQ(Train({"optimizer.schedule=WSD", "optimizer.decay_steps=4"}).exit_code, 0);
}

}  // namespace
}  // namespace cadmus
