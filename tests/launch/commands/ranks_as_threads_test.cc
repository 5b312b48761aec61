// SPDX-License-Identifier: Apache-2.0
// Ranks that are threads of one process leave behind, and answer to signals with, what processes
// under mpirun do.
#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>

#include "tests/launch/commands/run_fixture.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

constexpr int kSteps = 12;

class RanksAsThreads : public RunFixture {
 protected:
  std::vector<std::string> Command(int num_ranks,
                                   const std::vector<std::string>& overrides = {}) const {
    return With(TrainCommand(overrides), {"--ranks-as-threads", std::to_string(num_ranks)});
  }
  // What `mpirun -n 2` leaves behind.
  void RunReference(const std::vector<std::string>& overrides) {
    const CommandResult result = Train(overrides, 2);
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

  std::map<std::string, std::string> tensors_;
  std::vector<MetricsOfStep> metrics_;
};

TEST_F(RanksAsThreads, AreBitEqualToProcessesAlsoWhenStoppedAndResumed) {
  RunReference(kSlowSteps);
  const CommandResult whole = RunCommand(Command(2, kSlowSteps));
  EXPECT_EQ(whole.exit_code, 0) << whole.err;
  EXPECT_THAT(whole.err, Not(HasSubstr("rank 1: ")));
  for (const char* log : {"logs/rank-000000.log", "logs/rank-000001.log"}) {
    EXPECT_TRUE(fs::exists(run_folder() / log)) << log;
  }
  ExpectSameAsReference();

  for (const int signal : {SIGTERM, SIGUSR1}) {
    fs::remove_all(run_folder());
    Process process(Command(2, kSlowSteps));
    process.AwaitError("step 3/12");
    ::kill(process.pid(), SIGUSR2);
    process.AwaitError("calls of this rank, newest last");
    ::kill(process.pid(), signal);
    const CommandResult stopped = process.Wait();
    EXPECT_EQ(stopped.exit_code, 75) << stopped.err;
    EXPECT_THAT(stopped.err, HasSubstr("goes on from here"));
    const size_t done = ReadMetrics(run_folder()).size();
    ASSERT_LT(done, static_cast<size_t>(kSteps));
    EXPECT_TRUE(fs::exists(checkpoint(static_cast<int>(done))));
    const CommandResult resumed = RunCommand(Command(2, kSlowSteps));
    EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
    EXPECT_THAT(resumed.err, HasSubstr("going on from"));
    ExpectSameAsReference();
  }
}

TEST_F(RanksAsThreads, AnotherLayoutGoesOnWithTheNumbersOfOneRankAndGenerates) {
  const std::vector<std::string> run = {"precision.storage=F64", "train.global_batch_size=48"};
  const CommandResult whole = RunCommand(Command(1, run));
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  const std::vector<MetricsOfStep> expected = ReadMetrics(run_folder());
  fs::rename(run_folder(), folder() / "reference");

  Process process(Command(
      8, With(run, {"parallel.pp=2", "parallel.tp=2", "parallel.dp_shard=2", "parallel.zero=3"})));
  process.AwaitError("step 3/12");
  ::kill(process.pid(), SIGTERM);
  const CommandResult stopped = process.Wait();
  ASSERT_EQ(stopped.exit_code, 75) << stopped.err;
  ASSERT_LT(ReadMetrics(run_folder()).size(), static_cast<size_t>(kSteps));

  const CommandResult resumed =
      RunCommand(Command(4, With(run, {"parallel.tp=4", "parallel.token_parts=2"})));
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("going on from"));
  const std::vector<MetricsOfStep> metrics = ReadMetrics(run_folder());
  ASSERT_EQ(metrics.size(), expected.size());
  for (size_t i = 0; i < metrics.size(); ++i) {
    EXPECT_EQ(metrics[i].step, expected[i].step);
    EXPECT_EQ(metrics[i].learning_rate, expected[i].learning_rate);
    EXPECT_NEAR(metrics[i].loss, expected[i].loss, 1e-10 * expected[i].loss);
    EXPECT_NEAR(metrics[i].gradient_norm, expected[i].gradient_norm,
                1e-10 * expected[i].gradient_norm);
  }

  const auto text_of = [&](const fs::path& trained) {
    const CommandResult text =
        Cadmus({"generate", trained.string(), "--prompt", "the quick", "--max-tokens", "8"});
    EXPECT_EQ(text.exit_code, 0) << text.err;
    return text.out;
  };
  EXPECT_EQ(text_of(run_folder()), text_of(folder() / "reference"));
}

TEST_F(RanksAsThreads, AFailingRankEndsTheOthersWithItsExitCode) {
  // No rank's device can hold the model.
  const CommandResult result = RunCommand(Command(2, {"device.memory_gib=1e-4"}));
  EXPECT_EQ(result.exit_code, 8) << result.err;
}

TEST_F(RanksAsThreads, OneOfThemThatFailsAloneEndsTheOthers) {
  // Rank 1 cannot open its log file.
  fs::create_directories(run_folder() / "logs" / "rank-000001.log");
  const CommandResult result = RunCommand(Command(2));
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("rank-000001.log"));
}

TEST_F(RanksAsThreads, AreRefusedInSeveralProcesses) {
  const CommandResult result = RunCommand(With(TrainCommand({}, 2), {"--ranks-as-threads", "2"}));
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("--ranks-as-threads runs all ranks in one process, but 2"));
}

TEST_F(RanksAsThreads, TheirNumberIsChecked) {
  for (const char* number : {"0", "1025", "-1", "two"}) {
    const CommandResult result = RunCommand(With(TrainCommand(), {"--ranks-as-threads", number}));
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_THAT(result.err, HasSubstr("--ranks-as-threads"));
  }
}

}  // namespace
}  // namespace cadmus
