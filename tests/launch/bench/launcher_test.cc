// SPDX-License-Identifier: Apache-2.0
#include "launch/bench/launcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace cadmus {
namespace {

using testing::HasSubstr;

Launch Detect(const std::map<std::string, std::string>& variables) {
  return DetectLaunch([&](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

TEST(DetectLaunch, NamesWhatStartedTheProcess) {
  EXPECT_EQ(Detect({}).launcher, Launcher::kNone);
  EXPECT_EQ(Detect({}).num_tasks, 1);
  EXPECT_EQ(Detect({{"SLURM_NTASKS", "4"}}).launcher, Launcher::kNone);  // a batch script
  const Launch srun = Detect({{"SLURM_NTASKS", "4"}, {"SLURM_STEP_NUM_TASKS", "2"}});
  EXPECT_EQ(srun.launcher, Launcher::kSrun);
  EXPECT_EQ(srun.num_tasks, 2);
  EXPECT_EQ(srun.num_job_tasks, 4);
  const Launch mpirun = Detect({{"SLURM_STEP_NUM_TASKS", "2"}, {"OMPI_COMM_WORLD_SIZE", "8"}});
  EXPECT_EQ(mpirun.launcher, Launcher::kMpirun);
  EXPECT_EQ(mpirun.num_tasks, 8);
  EXPECT_EQ(Detect({{"PMI_SIZE", "3"}}).launcher, Launcher::kOther);
  EXPECT_EQ(Detect({{"SLURM_STEP_NUM_TASKS", "two"}}).launcher, Launcher::kNone);
}

TEST(LaunchProblem, SrunWithoutPmiIsExplained) {
  for (const bool threads : {false, true}) {
    const std::string problem =
        LaunchProblem(Detect({{"SLURM_STEP_NUM_TASKS", "4"}}), {.ranks_are_threads = threads});
    EXPECT_THAT(problem, HasSubstr("srun has started 4 tasks, but MPI sees one in each"));
    EXPECT_THAT(problem, HasSubstr("`srun --mpi=list`"));
    EXPECT_THAT(problem, HasSubstr("`srun --mpi=pmix …`"));
  }
}

TEST(LaunchProblem, JobOfManyTasksWithoutLauncherIsExplainedUnlessRanksAreThreads) {
  const Launch launch = Detect({{"SLURM_NTASKS", "4"}});
  EXPECT_THAT(LaunchProblem(launch, {}), HasSubstr("the Slurm job has 4 tasks"));
  EXPECT_EQ(LaunchProblem(launch, {.ranks_are_threads = true}), "");
}

TEST(LaunchProblem, MpirunOfAnotherMpiIsExplained) {
  EXPECT_THAT(LaunchProblem(Detect({{"PMI_SIZE", "2"}}), {}), HasSubstr("another MPI"));
  EXPECT_THAT(LaunchProblem(Detect({{"OMPI_COMM_WORLD_SIZE", "2"}}), {}),
              HasSubstr("start with the mpirun of the library"));
}

TEST(LaunchProblem, RanksThatAreMeantHaveNone) {
  EXPECT_EQ(LaunchProblem(Detect({}), {}), "");
  EXPECT_EQ(LaunchProblem(Detect({{"SLURM_STEP_NUM_TASKS", "4"}}), {.num_ranks = 4}), "");
  EXPECT_EQ(LaunchProblem(Detect({{"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_NTASKS", "4"}}), {}), "");
  // One rank on purpose, in a larger job.
  EXPECT_EQ(LaunchProblem(Detect({{"OMPI_COMM_WORLD_SIZE", "1"}, {"SLURM_NTASKS", "4"}}), {}), "");
}

TEST(LaunchWarning, FirstTaskOfSrunWithoutAnInterfaceWarns) {
  std::map<std::string, std::string> variables = {{"SLURM_STEP_NUM_TASKS", "4"},
                                                  {"SLURM_PROCID", "0"}};
  EXPECT_THAT(LaunchWarning(Detect(variables)), HasSubstr("srun --mpi=pmix"));
  variables["SLURM_PROCID"] = "1";
  EXPECT_EQ(LaunchWarning(Detect(variables)), "");
  variables["SLURM_PROCID"] = "0";
  variables["PMIX_NAMESPACE"] = "slurm.pmix.7.0";
  EXPECT_EQ(LaunchWarning(Detect(variables)), "");
  EXPECT_EQ(LaunchWarning(Detect({})), "");
}

}  // namespace
}  // namespace cadmus
