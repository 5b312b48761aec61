// SPDX-License-Identifier: Apache-2.0
#include "launch/bench/judge_ranks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/base/str_cat.h"
#include "launch/bench/cpu_list.h"
#include "launch/bench/judge_machine.h"
#include "tests/launch/bench/good_facts.h"

namespace cadmus {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

// Ranks on hosts of eight cores, two a host, each bound to its half.
std::vector<MachineFacts> GoodRanks(int num_ranks) {
  std::vector<MachineFacts> ranks;
  for (int rank = 0; rank < num_ranks; ++rank) {
    MachineFacts facts = GoodFacts();
    facts.rank = rank;
    facts.num_ranks = num_ranks;
    facts.num_ranks_of_host = 2;
    facts.host.name = StrCat("node-", rank / 2);
    facts.host.usable_cores = ParseCpuList("0-7");
    facts.host.allowed_cores = ParseCpuList(rank % 2 == 0 ? "0-3" : "4-7");
    ranks.push_back(facts);
  }
  return ranks;
}

std::vector<RankReport> Reports(const std::vector<MachineFacts>& ranks) {
  std::vector<RankReport> reports;
  for (const MachineFacts& facts : ranks) {
    reports.push_back(MakeReport(facts, JudgeMachine(facts)));
  }
  return reports;
}

std::vector<Finding> ProblemsOf(const std::vector<RankReport>& reports) {
  std::vector<Finding> problems = JudgeRanks(reports);
  std::erase_if(problems, [](const Finding& f) { return f.verdict == Verdict::kOk; });
  return problems;
}

void ExpectOneProblem(const std::vector<MachineFacts>& ranks, const Finding& expected) {
  const std::vector<Finding> problems = ProblemsOf(Reports(ranks));
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].name, expected.name);
  EXPECT_EQ(problems[0].verdict, expected.verdict);
  EXPECT_THAT(problems[0].value, HasSubstr(expected.value));
  EXPECT_THAT(problems[0].remedy, HasSubstr(expected.remedy));
}

TEST(JudgeRanks, RanksThatFitTogetherAreOk) {
  EXPECT_THAT(ProblemsOf(Reports(GoodRanks(1))), testing::SizeIs(1));  // half of the cores idle
  for (const int num_ranks : {2, 6}) {
    EXPECT_THAT(ProblemsOf(Reports(GoodRanks(num_ranks))), IsEmpty()) << num_ranks;
  }
}

TEST(JudgeRanks, OtherBinaryFailsAndNamesRankAndHost) {
  std::vector<MachineFacts> ranks = GoodRanks(6);
  ranks[3].build.binary_hash = "old";
  ExpectOneProblem(ranks, {.name = "same binary",
                           .verdict = Verdict::kFail,
                           .value = "5 of 6 ranks: abc; rank 3 on node-1: old",
                           .remedy = "give all ranks the same"});
}

TEST(JudgeRanks, RankZeroMayBeTheOneThatDiffers) {
  std::vector<MachineFacts> ranks = GoodRanks(4);
  ranks[0].build.version = "1.2.2";
  ExpectOneProblem(ranks, {.name = "same version",
                           .verdict = Verdict::kFail,
                           .value = "3 of 4 ranks: 1.2.3; rank 0 on node-0: 1.2.2",
                           .remedy = ""});
}

TEST(JudgeRanks, OtherLibrariesAndLimitsAreNamed) {
  const auto expect = [](const char* name, Verdict verdict, const auto& spoil) {
    std::vector<MachineFacts> ranks = GoodRanks(4);
    spoil(ranks[2]);
    ExpectOneProblem(
        ranks, {.name = name, .verdict = verdict, .value = "rank 2 on node-1: ", .remedy = ""});
  };
  expect("same MPI", Verdict::kFail, [](MachineFacts& f) { f.mpi.path = "/opt/libmpi.so"; });
  expect("same oneDNN", Verdict::kWarn,
         [](MachineFacts& f) { f.libraries.onednn_instructions = "AVX512_CORE"; });
  expect("same OpenBLAS", Verdict::kWarn,
         [](MachineFacts& f) { f.libraries.openblas_core = "Haswell"; });
  expect("same limits", Verdict::kWarn, [](MachineFacts& f) { f.host.open_files_limit = 2048; });
  expect("same processor", Verdict::kWarn, [](MachineFacts& f) { f.host.processor = "EPYC"; });
}

// As `train` chooses: two ranks a host, each with the GPU of its number there.
TEST(JudgeRanks, RanksThatWouldShareAGpuAreNamed) {
  std::vector<MachineFacts> ranks = GoodRanks(4);
  for (MachineFacts& facts : ranks) {
    facts.rank_of_host = facts.rank % 2;
    for (int i = 0; i < 2; ++i) {
      facts.gpus.push_back({.index = i, .uuid = StrCat("GPU-", facts.host.name, "-", i)});
    }
  }
  EXPECT_THAT(ProblemsOf(Reports(ranks)), IsEmpty());
  for (int rank : {2, 3}) ranks[static_cast<size_t>(rank)].gpus.resize(1);
  ExpectOneProblem(ranks, {.name = "GPUs of ranks",
                           .verdict = Verdict::kWarn,
                           .value = "rank 2 on node-1, rank 3 on node-1 take GPU-node-1-0",
                           .remedy = "device.share_gpu = true"});
}

TEST(JudgeRanks, LongListsOfRanksAreCut) {
  std::vector<MachineFacts> ranks = GoodRanks(40);
  for (int rank = 20; rank < 32; ++rank) ranks[static_cast<size_t>(rank)].host.kernel = "Linux 5";
  ExpectOneProblem(ranks, {.name = "same kernel",
                           .verdict = Verdict::kWarn,
                           .value = "rank 27 on node-13 and 4 more: Linux 5",
                           .remedy = ""});
}

TEST(JudgeRanks, RanksBoundToOneCoreWhileOthersIdleFail) {
  std::vector<MachineFacts> ranks = GoodRanks(4);
  for (int rank : {2, 3}) ranks[static_cast<size_t>(rank)].host.allowed_cores = {5};
  ExpectOneProblem(ranks, {.name = "cores of ranks",
                           .verdict = Verdict::kFail,
                           .value = "node-1: 2 ranks use 1 of 8 cores",
                           .remedy = "--bind-to none"});
}

TEST(JudgeRanks, BindingsThatOverlapAreNamedWithTheirCores) {
  std::vector<MachineFacts> ranks = GoodRanks(4);
  ranks[3].host.allowed_cores = ParseCpuList("2-7");
  ExpectOneProblem(ranks, {.name = "cores of ranks",
                           .verdict = Verdict::kWarn,
                           .value = "ranks 2 and 3 share 2-3",
                           .remedy = "--map-by slot:PE=N"});
}

TEST(JudgeRanks, RanksThatAreNotBoundShareAllCoresRightly) {
  std::vector<MachineFacts> ranks = GoodRanks(4);
  for (MachineFacts& facts : ranks) facts.host.allowed_cores = facts.host.usable_cores;
  EXPECT_THAT(ProblemsOf(Reports(ranks)), IsEmpty());
}

TEST(JudgeRanks, MoreRanksThanCoresAndIdleCoresAreWarnings) {
  std::vector<MachineFacts> ranks = GoodRanks(2);
  for (MachineFacts& facts : ranks) facts.host.usable_cores = facts.host.allowed_cores = {0};
  ExpectOneProblem(ranks, {.name = "cores of ranks",
                           .verdict = Verdict::kWarn,
                           .value = "2 ranks use 1 of 1 cores",
                           .remedy = "start fewer ranks"});
  ranks = GoodRanks(2);
  ranks[1].host.allowed_cores = {7};
  ExpectOneProblem(ranks, {.name = "cores of ranks",
                           .verdict = Verdict::kWarn,
                           .value = "2 ranks use 5 of 8 cores",
                           .remedy = "the others idle"});
}

TEST(JudgeRanks, SkewedClockIsNamedButNotWhatItsMeasurementMayBeOff) {
  std::vector<RankReport> reports = Reports(GoodRanks(4));
  reports[1].clock_offset_seconds = 3;
  reports[1].clock_error_seconds = 2.5;
  EXPECT_THAT(ProblemsOf(reports), IsEmpty());
  reports[2].clock_offset_seconds = -61.25;
  reports[2].clock_error_seconds = 0.001;
  const std::vector<Finding> problems = ProblemsOf(reports);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].verdict, Verdict::kWarn);
  EXPECT_EQ(problems[0].value, "rank 2 on node-1 is -61.2 s off");
  EXPECT_THAT(problems[0].remedy, HasSubstr("chrony"));
}

TEST(JudgeRanks, ProblemsOfOtherRanksAreOneLineAndThoseOfRankZeroNone) {
  std::vector<MachineFacts> ranks = GoodRanks(6);
  for (MachineFacts& facts : ranks) facts.host.name_resolves = true;
  ranks[0].host.available_memory_bytes = 0;
  for (int rank : {2, 3}) ranks[static_cast<size_t>(rank)].host.available_memory_bytes = 0;
  for (int rank : {4, 5}) ranks[static_cast<size_t>(rank)].host.cpu_quota = 2;
  ExpectOneProblem(ranks, {.name = "cores",
                           .verdict = Verdict::kWarn,
                           .value = "rank 4 on node-2, rank 5 on node-2: may run on 4 of 8",
                           .remedy = "device.threads=1"});
}

}  // namespace
}  // namespace cadmus
