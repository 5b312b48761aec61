// SPDX-License-Identifier: Apache-2.0
// `cadmus bench --level 0` on this machine, and the trap of srun without PMI, which `train` finds
// too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/launch/commands/process.h"

namespace cadmus {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::vector<std::string> kBench = {CADMUS_BINARY, "bench", "--level", "0"};

std::vector<std::string> Joined(std::vector<std::string> command,
                                const std::vector<std::string>& more) {
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

nlohmann::json Check(const nlohmann::json& report, const std::string& name) {
  for (const nlohmann::json& check : report.at("checks")) {
    if (check.at("name") == name) return check;
  }
  ADD_FAILURE() << "no check " << name;
  return {};
}

TEST(BenchVerb, PrintsForPeopleOnStderrAndEndsWellWithoutFailures) {
  const CommandResult result = RunCommand(kBench);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("\nok    MPI"));
  EXPECT_THAT(result.err, HasSubstr("built with Open MPI"));
  EXPECT_THAT(result.err, HasSubstr(" 0 fail\n"));
}

TEST(BenchVerb, RanksOfOneMachineFitTogether) {
  const CommandResult result = RunCommand(Joined({CADMUS_MPIRUN, "2"}, Joined(kBench, {"--json"})));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto report = nlohmann::json::parse(result.out);  // of one rank only
  EXPECT_THAT(Check(report, "launcher").at("value"),
              HasSubstr("mpirun; MPI rank 0 of 2, 2 on this host"));
  for (const char* name : {"same version", "same binary", "same MPI", "same limits"}) {
    EXPECT_EQ(Check(report, name).at("verdict"), "ok") << name;
  }
  EXPECT_EQ(Check(report, "clocks").at("verdict"), "ok");
}

TEST(BenchVerb, SrunWithoutPmiFails) {
  const CommandResult result = RunCommand(Joined(
      {"/usr/bin/env", "SLURM_NTASKS=4", "SLURM_STEP_NUM_TASKS=4"}, Joined(kBench, {"--json"})));
  EXPECT_EQ(result.exit_code, 7) << result.err;
  const auto report = nlohmann::json::parse(result.out);
  EXPECT_EQ(report.at("verdict"), "fail");
  EXPECT_EQ(Check(report, "launcher").at("verdict"), "fail");
  EXPECT_THAT(Check(report, "launcher").at("remedy"), HasSubstr("srun --mpi=pmix"));
}

TEST(TrainVerb, SrunWithoutPmiIsRefusedBeforeAnythingIsRead) {
  const CommandResult result =
      RunCommand({"/usr/bin/env", "SLURM_NTASKS=4", "SLURM_STEP_NUM_TASKS=4", CADMUS_BINARY,
                  "train", "/none.textproto"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("MPI sees one in each"));
  EXPECT_THAT(result.err, HasSubstr("srun --mpi=pmix"));
  EXPECT_THAT(result.err, Not(HasSubstr("none.textproto")));
}

// Debian's Open MPI does not start at all in such a task; then the remedy has been said before.
TEST(TrainVerb, RemedyIsSaidEvenIfMpiEndsTheProgram) {
  const CommandResult result = RunCommand(
      {"/usr/bin/env", "SLURM_JOBID=7", "SLURM_STEPID=0", "SLURM_PROCID=0", "SLURM_NTASKS=4",
       "SLURM_STEP_NUM_TASKS=4", CADMUS_BINARY, "train", "/none.textproto"});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("srun --mpi=pmix"));
}

TEST(BenchVerb, OnlyLevelZeroIsThere) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{}, {"--level", "1"}, {"--level", "0", "more"}}) {
    const CommandResult result = RunCommand(Joined({CADMUS_BINARY, "bench"}, arguments));
    EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(arguments);
    EXPECT_THAT(result.err, HasSubstr("--help"));
  }
}

}  // namespace
}  // namespace cadmus
