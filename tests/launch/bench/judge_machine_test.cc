// SPDX-License-Identifier: Apache-2.0
#include "launch/bench/judge_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "kernels/base/str_cat.h"
#include "launch/bench/report_findings.h"
#include "tests/launch/bench/good_facts.h"

namespace cadmus {
namespace {

using testing::HasSubstr;

constexpr int64_t kMiB = int64_t{1} << 20;

TEST(JudgeMachine, GoodMachineHasNoWarningAndNoRemedy) {
  for (const Finding& finding : JudgeMachine(GoodFacts())) {
    EXPECT_EQ(finding.verdict, Verdict::kOk) << finding.name << ": " << finding.remedy;
    EXPECT_EQ(finding.remedy, "") << finding.name;
    EXPECT_NE(finding.value, "") << finding.name;
  }
}

struct Case {
  std::string about;  // of the test
  std::function<void(MachineFacts&)> spoil;
  std::string name;  // of the line that changes, the only one
  Verdict verdict;
  std::string remedy;  // that it must contain
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.about; }

class Spoiled : public testing::TestWithParam<Case> {};

TEST_P(Spoiled, IsFoundWithItsRemedyAndNothingElse) {
  MachineFacts facts = GoodFacts();
  GetParam().spoil(facts);
  bool found = false;
  for (const Finding& finding : JudgeMachine(facts)) {
    if (finding.name != GetParam().name) {
      EXPECT_EQ(finding.verdict, Verdict::kOk) << finding.name << ": " << finding.remedy;
      continue;
    }
    found = true;
    EXPECT_EQ(finding.verdict, GetParam().verdict) << finding.value;
    EXPECT_THAT(finding.remedy, HasSubstr(GetParam().remedy));
  }
  EXPECT_TRUE(found);
}

constexpr Verdict kWarn = Verdict::kWarn, kFail = Verdict::kFail, kOk = Verdict::kOk;

const Case kCases[] = {
    {"DebugBuild", [](MachineFacts& f) { f.build.type = "Debug"; }, "build type", kWarn,
     "cmake --preset cpu-release"},
    {"Sanitizers", [](MachineFacts& f) { f.build.sanitizers = "address"; }, "build type", kWarn,
     "for finding faults"},
    {"ForeignProcessor", [](MachineFacts& f) { f.host.instructions = {"avx2"}; }, "kernels", kFail,
     "lacks avx512f: the first kernel ends the program"},
    {"OtherMpiVersion", [](MachineFacts& f) { f.mpi.loaded = "Open MPI v5.0.1"; }, "MPI", kFail,
     "LD_LIBRARY_PATH"},
    {"OtherMpi", [](MachineFacts& f) { f.mpi.loaded = "MPICH Version: 4.0"; }, "MPI", kFail,
     "another than the one this program was built with"},
    {"OtherOneDnn", [](MachineFacts& f) { f.libraries.onednn = "3.1.0"; }, "oneDNN", kFail,
     "build again"},
    {"RestrictedOneDnn", [](MachineFacts& f) { f.libraries.onednn_instructions = "AVX2"; },
     "oneDNN", kWarn, "unset DNNL_MAX_CPU_ISA"},
    {"OldKernelsOfOpenBlas", [](MachineFacts& f) { f.libraries.openblas_core = "Prescott"; },
     "OpenBLAS", kWarn, "set OPENBLAS_CORETYPE=SkylakeX"},
    {"CudaWithoutDriver", [](MachineFacts& f) { f.build.has_cuda = true; }, "CUDA", kFail,
     "libcuda.so.1"},
    {"CudaWithDriver",
     [](MachineFacts& f) {
       f.build.has_cuda = true;
       f.cuda_driver = {.is_found = true, .version = "13.1"};
       f.host.num_nvidia_devices = 8;
     },
     "CUDA", kOk, ""},
    {"IdleGpus", [](MachineFacts& f) { f.host.num_nvidia_devices = 8; }, "CUDA", kWarn,
     "cuda-release"},
    {"NcclMissing", [](MachineFacts& f) { f.build.has_nccl = true; }, "NCCL", kWarn,
     "libnccl.so.2"},
    {"NameDoesNotResolve", [](MachineFacts& f) { f.host.name_resolves = false; }, "host", kWarn,
     "127.0.0.1 node-a"},
    {"QuotaBelowCores",
     [](MachineFacts& f) {
       f.host.cpu_quota = 2.5;
       f.num_ranks_of_host = 2;
     },
     "cores", kWarn, "--set device.threads=1"},
    {"QuotaOfAllCores", [](MachineFacts& f) { f.host.cpu_quota = 4; }, "cores", kOk, ""},
    {"LittleMemoryFree", [](MachineFacts& f) { f.host.available_memory_bytes = 500 * kMiB; },
     "memory", kWarn, "end what holds it"},
    {"SmallMemoryLimit", [](MachineFacts& f) { f.host.memory_limit_bytes = 900 * kMiB; }, "memory",
     kWarn, "raise the limit"},
    {"LockedMemoryWithoutInfiniBand", [](MachineFacts& f) { f.host.locked_memory_limit = kMiB; },
     "locked memory", kOk, ""},
    {"LittleLockedMemory",
     [](MachineFacts& f) {
       f.host.has_infiniband = true;
       f.host.locked_memory_limit = 8 * kMiB;
     },
     "locked memory", kFail, "memlock unlimited"},
    {"LimitedLockedMemory",
     [](MachineFacts& f) {
       f.host.has_infiniband = true;
       f.host.locked_memory_limit = 1024 * kMiB;
     },
     "locked memory", kWarn, "memlock unlimited"},
    {"FewOpenFiles", [](MachineFacts& f) { f.host.open_files_limit = 512; }, "open files", kWarn,
     "ulimit -n 1024"},
    {"TooFewOpenFilesForTheRanks",
     [](MachineFacts& f) {
       f.host.open_files_limit = 4096;
       f.num_ranks = 10000;
     },
     "open files", kFail, "ulimit -n 10128"},
    {"SmallStack", [](MachineFacts& f) { f.host.stack_limit = 64 << 10; }, "stack", kWarn,
     "ulimit -s 8192"},
    {"FewProcesses", [](MachineFacts& f) { f.host.processes_limit = 30; }, "processes", kWarn,
     "pids.max"},
    {"TooFewProcesses", [](MachineFacts& f) { f.host.processes_limit = 10; }, "processes", kFail,
     "some 20 threads"},
    {"SharedMemoryOfAContainer",
     [](MachineFacts& f) {
       f.host.shared_memory_bytes = f.host.free_shared_memory_bytes = 64 * kMiB;
     },
     "/dev/shm", kWarn, "--shm-size"},
    {"SharedMemoryTooSmallForTheRanks",
     [](MachineFacts& f) {
       f.host.shared_memory_bytes = f.host.free_shared_memory_bytes = 64 * kMiB;
       f.num_ranks_of_host = 5;
     },
     "/dev/shm", kFail, "--shm-size"},
    {"NoHugePages", [](MachineFacts& f) { f.host.huge_pages = "never"; }, "huge pages", kWarn,
     "transparent_hugepage/enabled"},
    {"SrunWithoutPmi",
     [](MachineFacts& f) { f.launch = {.launcher = Launcher::kSrun, .num_tasks = 8}; }, "launcher",
     kFail, "srun --mpi=pmix"},
    {"SrunWithPmi",
     [](MachineFacts& f) {
       f.launch = {.launcher = Launcher::kSrun, .num_tasks = 8};
       f.num_ranks = 8;
     },
     "launcher", kOk, ""},
};

INSTANTIATE_TEST_SUITE_P(JudgeMachine, Spoiled, testing::ValuesIn(kCases),
                         [](const auto& tested) { return tested.param.about; });

TEST(JudgeMachine, NamesTheGpuThatTheRankTakes) {
  MachineFacts facts = GoodFacts();
  facts.rank_of_host = 1;
  facts.num_ranks_of_host = 2;
  for (int i = 0; i < 2; ++i) {
    facts.gpus.push_back({.index = i,
                          .name = "NVIDIA H200",
                          .pci_id = "0000:1b:00.0",
                          .uuid = StrCat("GPU-", i),
                          .memory_bytes = int64_t{141} << 30});
  }
  const std::vector<Finding> findings = JudgeMachine(facts);
  const auto gpu = std::ranges::find(findings, "GPU", &Finding::name);
  ASSERT_NE(gpu, findings.end());
  EXPECT_EQ(gpu->value,
            "this rank takes GPU 1, NVIDIA H200, 0000:1b:00.0, GPU-1, 141.0GiB; 2 are visible");
}

TEST(ReportFindings, TextCountsAndJsonKeepsEveryField) {
  const std::vector<Finding> findings = {
      {.name = "a", .value = "one"},
      {.name = "long name", .verdict = kFail, .value = "two", .remedy = "do \"it\""}};
  EXPECT_EQ(FindingsToText(findings),
            "ok    a          one\n"
            "fail  long name  two\n"
            "                 do \"it\"\n"
            "1 ok, 0 warn, 1 fail\n");
  EXPECT_EQ(FindingsToJson(findings),
            R"({"verdict":"fail","ok":1,"warn":0,"fail":1,"checks":[)"
            R"({"name":"a","verdict":"ok","value":"one","remedy":""},)"
            R"({"name":"long name","verdict":"fail","value":"two","remedy":"do \"it\""}]})");
}

}  // namespace
}  // namespace cadmus
