// SPDX-License-Identifier: Apache-2.0
// A run that was killed, or asked to stop, and started again by the same command ends bit-equal to
// one that was not; on another number of ranks it ends equal to rounding.
#include <gmock/gmock.h>
#include <signal.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "tests/launch/commands/run_fixture.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

constexpr int kSteps = 12;

class Resume : public RunFixture {
 protected:
  // What the uninterrupted run of these overrides leaves behind.
  void RunReference(const std::vector<std::string>& overrides, int num_ranks) {
    const CommandResult result = Train(overrides, num_ranks);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    tensors_ = TensorsOf(checkpoint(kSteps));
    metrics_ = ReadMetrics(run_folder());
    ASSERT_EQ(metrics_.size(), static_cast<size_t>(kSteps));
    fs::rename(run_folder(), folder() / "reference");
  }
  void ExpectSameAsReference() const {
    EXPECT_TRUE(TensorsOf(checkpoint(kSteps)) == tensors_) << "other weights or moments";
    EXPECT_TRUE(ReadMetrics(run_folder()) == metrics_) << "other losses, norms or learning rates";
  }
  // Runs until step 5 is announced, then sends `signal` to the command.
  CommandResult RunAndSignal(const std::vector<std::string>& overrides, int num_ranks,
                             int signal) const {
    Process process(TrainCommand(overrides, num_ranks));
    process.AwaitError("step 5/12");
    ::kill(process.pid(), signal);
    return process.Wait();
  }

  std::map<std::string, std::string> tensors_;
  std::vector<MetricsOfStep> metrics_;
};

TEST_F(Resume, KilledRanksGoOnBitEqual) {
  RunReference(kSlowSteps, 2);
  {
    Process process(TrainCommand(kSlowSteps, 2));
    process.AwaitError("step 5/12");
    const std::vector<pid_t> ranks = process.Ranks("cadmus");
    ASSERT_EQ(ranks.size(), 2u);
    for (pid_t rank : ranks) ::kill(rank, SIGKILL);
    EXPECT_EQ(process.Wait().exit_code, 128 + SIGKILL);
  }
  ASSERT_FALSE(fs::exists(checkpoint(kSteps))) << "it ended before it was killed";
  const CommandResult resumed = Train(kSlowSteps, 2);
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("going on from"));
  ExpectSameAsReference();
}

TEST_F(Resume, KilledProcessWithoutMpirunGoesOnBitEqual) {
  RunReference(kSlowSteps, 1);
  EXPECT_EQ(RunAndSignal(kSlowSteps, 1, SIGKILL).exit_code, 128 + SIGKILL);
  ASSERT_FALSE(fs::exists(checkpoint(kSteps))) << "it ended before it was killed";
  EXPECT_EQ(Train(kSlowSteps, 1).exit_code, 0);
  ExpectSameAsReference();
}

TEST_F(Resume, KilledBf16RunGoesOnBitEqualFromItsF32MastersAndGenerates) {
  const std::vector<std::string> overrides = With(kSlowSteps, {"precision.storage=BF16"});
  RunReference(overrides, 1);
  EXPECT_EQ(RunAndSignal(overrides, 1, SIGKILL).exit_code, 128 + SIGKILL);
  ASSERT_FALSE(fs::exists(checkpoint(kSteps))) << "it ended before it was killed";
  const CommandResult resumed = Train(overrides, 1);
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("bf16: the processor has"));
  ExpectSameAsReference();
  const CommandResult generated =
      Cadmus({"generate", run_folder().string(), "--prompt", "the", "--max-tokens", "4"});
  EXPECT_EQ(generated.exit_code, 0) << generated.err;
}

TEST_F(Resume, RanksThatAreAskedToStopSaveAndGoOnBitEqual) {
  RunReference(kSlowSteps, 2);
  const CommandResult stopped = RunAndSignal(kSlowSteps, 2, SIGUSR1);  // mpirun passes it on
  EXPECT_EQ(stopped.exit_code, 75) << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr("goes on from here"));
  const size_t done = ReadMetrics(run_folder()).size();
  ASSERT_LT(done, static_cast<size_t>(kSteps));
  EXPECT_TRUE(fs::exists(checkpoint(static_cast<int>(done)))) << "it did not save where it stopped";
  const CommandResult resumed = Train(kSlowSteps, 2);
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  ExpectSameAsReference();
}

TEST_F(Resume, TerminatedProcessSavesAndGoesOnBitEqual) {
  RunReference(kSlowSteps, 1);
  for (const int signal : {SIGTERM, SIGINT}) {
    const CommandResult stopped = RunAndSignal(kSlowSteps, 1, signal);
    EXPECT_EQ(stopped.exit_code, 75) << stopped.err;
    EXPECT_EQ(Train(kSlowSteps, 1).exit_code, 0);
    ExpectSameAsReference();
    fs::remove_all(run_folder());
  }
}

TEST_F(Resume, MoreRanksGoOnWithTheSameNumbersToRounding) {
  const std::vector<std::string> overrides = With(kSlowSteps, {"precision.storage=F64"});
  RunReference(overrides, 1);
  EXPECT_EQ(RunAndSignal(overrides, 1, SIGUSR1).exit_code, 75);
  const CommandResult resumed = Train(overrides, 2);
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  const std::vector<MetricsOfStep> metrics = ReadMetrics(run_folder());
  ASSERT_EQ(metrics.size(), metrics_.size());
  for (size_t i = 0; i < metrics.size(); ++i) {
    EXPECT_EQ(metrics[i].step, metrics_[i].step);
    EXPECT_NEAR(metrics[i].loss, metrics_[i].loss, 1e-10 * metrics_[i].loss);
    EXPECT_NEAR(metrics[i].gradient_norm, metrics_[i].gradient_norm,
                1e-10 * metrics_[i].gradient_norm);
    EXPECT_EQ(metrics[i].learning_rate, metrics_[i].learning_rate);
  }
  const auto tensors = TensorsOf(checkpoint(kSteps));
  ASSERT_EQ(tensors.size(), tensors_.size());
  for (const auto& [name, bytes] : tensors_) {
    const auto found = tensors.find(name);
    ASSERT_NE(found, tensors.end()) << name;
    ASSERT_EQ(found->second.size(), bytes.size()) << name;
    std::vector<double> a(bytes.size() / sizeof(double)), b(a.size());
    std::memcpy(a.data(), found->second.data(), bytes.size());
    std::memcpy(b.data(), bytes.data(), bytes.size());
    double distance = 0, norm = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      distance += (a[i] - b[i]) * (a[i] - b[i]);
      norm += b[i] * b[i];
    }
    EXPECT_LE(std::sqrt(distance), 1e-9 * std::max(std::sqrt(norm), 1e-6)) << name;
  }
}

TEST_F(Resume, DumpOfTheRecorderDoesNotDisturb) {
  RunReference(kSlowSteps, 2);
  Process process(TrainCommand(kSlowSteps, 2));
  process.AwaitError("step 3/12");
  ::kill(process.Ranks("cadmus").at(0), SIGUSR2);
  process.AwaitError("calls of this rank, newest last");
  const CommandResult result = process.Wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("all-reduce"));
  ExpectSameAsReference();
}

TEST_F(Resume, FinishedRunHasNothingMoreToDo) {
  ASSERT_EQ(Train().exit_code, 0);
  const auto metrics = ReadMetrics(run_folder());
  const auto written = fs::last_write_time(checkpoint(kSteps) / "manifest.pb");
  const CommandResult again = Train();
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.err, Not(HasSubstr("saved ")));
  EXPECT_TRUE(ReadMetrics(run_folder()) == metrics);
  EXPECT_EQ(fs::last_write_time(checkpoint(kSteps) / "manifest.pb"), written);
}

TEST_F(Resume, AnotherLearningRateIsRefusedByName) {
  ASSERT_EQ(Train({"train.steps=4"}).exit_code, 0);
  const CommandResult result = Train({"train.steps=4", "optimizer.lr=2e-2"});
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("optimizer.lr"));
  EXPECT_THAT(result.err, HasSubstr("0.02"));
  EXPECT_THAT(result.err, HasSubstr("another name"));
}

TEST_F(Resume, DataOfAnotherTokenizerIsRefused) {
  ASSERT_EQ(Train({"train.steps=4"}).exit_code, 0);
  const std::string text = WriteText("other-text", 2);
  MakeTokenizer(text, 300, path("other.json"));
  MakeDataset(text, path("other.json"), path("other"));
  const CommandResult result = Train(
      {"train.steps=8", "data.path=" + path("other"), "data.tokenizer=" + path("other.json")});
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_THAT(result.err, HasSubstr("another tokenizer"));
  EXPECT_EQ(Train({"train.steps=8"}).exit_code, 0);
}

TEST_F(Resume, RanksWithDifferentConfigsAreRefused) {
  // mpirun starts one rank with another seed.
  const std::vector<std::string> first = TrainCommand({}, 1);
  std::vector<std::string> command = {CADMUS_MPIRUN, "1"};
  command.insert(command.end(), first.begin(), first.end());
  command.insert(command.end(), {":", "-np", "1"});
  const std::vector<std::string> second = TrainCommand({"train.seed=7"}, 1);
  command.insert(command.end(), second.begin(), second.end());
  const CommandResult result = RunCommand(command);
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("differs from rank 0's"));
}

}  // namespace
}  // namespace cadmus
