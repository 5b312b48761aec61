// SPDX-License-Identifier: Apache-2.0
#include "launch/bench/judge_machine.h"

#include <algorithm>
#include <string_view>

#include "kernels/base/quantity.h"
#include "kernels/base/str_cat.h"
#include "launch/bench/cpu_list.h"
#include "launch/run/gpu_ranks.h"

namespace cadmus {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kGiB = int64_t{1} << 30;

Finding Ok(std::string name, std::string value) {
  return {.name = std::move(name), .value = std::move(value)};
}

std::string LimitText(int64_t bytes) {
  return bytes == kUnlimited ? "unlimited" : BytesText(bytes);
}

std::string CountText(int64_t count) { return count == kUnlimited ? "unlimited" : StrCat(count); }

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += StrCat(text.empty() ? "" : " ", word);
  return text;
}

bool Contains(const std::vector<std::string>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

// The first number in a version: 4 in "Open MPI v4.1.4".
int MajorOf(std::string_view version) {
  const size_t digit = version.find_first_of("0123456789");
  int major = 0;
  for (size_t i = digit; i < version.size() && version[i] >= '0' && version[i] <= '9'; ++i) {
    major = major * 10 + (version[i] - '0');
  }
  return major;
}

// ---- The build.

void JudgeBuild(const BuildFacts& build, std::vector<Finding>& findings) {
  findings.push_back(Ok("version", StrCat(build.version, ", binary ", build.binary_hash)));
  findings.push_back(Ok("compiler", build.compiler));
  findings.push_back(Ok("flags", build.flags));
  Finding type = Ok("build type", build.type);
  if (!build.sanitizers.empty()) type.value += StrCat(", sanitizers ", build.sanitizers);
  if (build.type != "Release" || !build.sanitizers.empty()) {
    type.verdict = Verdict::kWarn;
    type.remedy =
        "this build is for finding faults and several times slower; to train, `cmake --preset "
        "cpu-release && cmake --build build`";
  }
  findings.push_back(type);
}

void JudgeInstructions(const MachineFacts& facts, std::vector<Finding>& findings) {
  const std::vector<std::string>& compiled = facts.libraries.compiled_for;
  Finding finding =
      Ok("kernels", StrCat("compiled for ", compiled.empty() ? "any processor" : Joined(compiled)));
  std::string lacking;
  for (const std::string& name : compiled) {
    if (!Contains(facts.host.instructions, name)) lacking += StrCat(" ", name);
  }
  if (!lacking.empty()) {
    finding.verdict = Verdict::kFail;
    finding.remedy =
        StrCat("this processor lacks", lacking,
               ": the first kernel ends the program (illegal instruction); build on a machine like "
               "this one, or for all of them, for example with -DCADMUS_CPU_ARCH=x86-64-v3");
  }
  findings.push_back(finding);
}

// ---- Libraries.

void JudgeMpi(const MpiLibrary& mpi, std::vector<Finding>& findings) {
  Finding finding =
      Ok("MPI", StrCat(mpi.loaded, " from ", mpi.path, ", built with ", mpi.built_with));
  if (MajorOf(mpi.loaded) != MajorOf(mpi.built_with) || !mpi.loaded.starts_with("Open MPI")) {
    finding.verdict = Verdict::kFail;
    finding.remedy =
        "the loaded library is another than the one this program was built with; set "
        "LD_LIBRARY_PATH (or load the module) of the latter, or build again with the former";
  }
  findings.push_back(finding);
}

void JudgeOneDnn(const MachineFacts& facts, std::vector<Finding>& findings) {
  const cpu::CpuLibraries& libraries = facts.libraries;
  Finding finding =
      Ok("oneDNN", StrCat(libraries.onednn, ", built with ", libraries.onednn_built_with, ", uses ",
                          libraries.onednn_instructions));
  if (MajorOf(libraries.onednn) != MajorOf(libraries.onednn_built_with)) {
    finding.verdict = Verdict::kFail;
    finding.remedy =
        "the loaded library is another than the one this program was built with; set "
        "LD_LIBRARY_PATH of the latter, or build again";
  } else if (Contains(facts.host.instructions, "avx512bw") &&
             !libraries.onednn_instructions.starts_with("AVX512") &&
             libraries.onednn_instructions != "all") {
    finding.verdict = Verdict::kWarn;
    finding.remedy =
        "the processor has AVX-512, but the library was told not to use it: unset "
        "DNNL_MAX_CPU_ISA and ONEDNN_MAX_CPU_ISA";
  }
  findings.push_back(finding);
}

void JudgeOpenBlas(const MachineFacts& facts, std::vector<Finding>& findings) {
  const cpu::CpuLibraries& libraries = facts.libraries;
  Finding finding =
      Ok("OpenBLAS", StrCat(libraries.openblas, ", uses kernels of ", libraries.openblas_core));
  // What the library falls back to has no AVX2.
  constexpr std::string_view kOldest[] = {"Prescott", "Core2", "Nehalem", "Katmai", "Northwood"};
  if (Contains(facts.host.instructions, "avx2") &&
      std::ranges::find(kOldest, libraries.openblas_core) != std::end(kOldest)) {
    finding.verdict = Verdict::kWarn;
    finding.remedy = StrCat(
        "these kernels are older than the processor, which slows f64 down: the library does "
        "not know this processor; set OPENBLAS_CORETYPE=",
        Contains(facts.host.instructions, "avx512bw") ? "SkylakeX" : "Haswell",
        " on all ranks, or install a newer OpenBLAS");
  }
  findings.push_back(finding);
}

std::string FoundText(const FoundLibrary& library, std::string_view what) {
  if (!library.is_found) return StrCat("no ", what, " found");
  return StrCat(what, " found",
                library.version.empty() ? "" : StrCat(", version ", library.version));
}

void JudgeCuda(const MachineFacts& facts, std::vector<Finding>& findings) {
  const int devices = facts.host.num_nvidia_devices;
  Finding finding = Ok("CUDA", StrCat(facts.build.has_cuda ? "built in" : "not built in", "; ",
                                      FoundText(facts.cuda_driver, "driver"), "; ", devices,
                                      devices == 1 ? " device" : " devices"));
  if (facts.build.has_cuda && !facts.cuda_driver.is_found) {
    finding.verdict = Verdict::kFail;
    finding.remedy =
        "libcuda.so.1 is missing: install the NVIDIA driver, start the container with its GPUs, or "
        "build the preset cpu-release for machines without";
  } else if (devices > 0 && !facts.build.has_cuda) {
    finding.verdict = Verdict::kWarn;
    finding.remedy =
        "this build leaves the GPUs idle: build the preset cuda-release, if this version has it";
  }
  findings.push_back(finding);
}

void JudgeGpu(const MachineFacts& facts, std::vector<Finding>& findings) {
  const std::optional<Gpu> gpu = ChosenGpu(facts);
  if (!gpu) return;
  findings.push_back(
      Ok("GPU", StrCat("this rank takes ", ToString(*gpu), ", ", BytesText(gpu->memory_bytes), "; ",
                       facts.gpus.size(), facts.gpus.size() == 1 ? " is" : " are", " visible")));
}

void JudgeNccl(const MachineFacts& facts, std::vector<Finding>& findings) {
  Finding finding = Ok("NCCL", StrCat(facts.build.has_nccl ? "built in" : "not built in", "; ",
                                      FoundText(facts.nccl, "library")));
  if (facts.build.has_nccl && !facts.nccl.is_found) {
    finding.verdict = Verdict::kWarn;
    finding.remedy =
        "libnccl.so.2 is missing, so ranks of GPUs exchange through host memory, which is slow: "
        "install it, or set LD_LIBRARY_PATH to the folder that holds it";
  }
  findings.push_back(finding);
}

// ---- The machine.

void JudgeHost(const HostFacts& host, std::vector<Finding>& findings) {
  Finding name = Ok("host", host.name);
  if (!host.name_resolves) {
    name.verdict = Verdict::kWarn;
    name.remedy = StrCat(
        "the name does not resolve, and every mpirun waits ten seconds for it; add "
        "the line `127.0.0.1 ",
        host.name, "` to /etc/hosts");
  }
  findings.push_back(name);
  findings.push_back(Ok("kernel", host.kernel));
}

void JudgeProcessor(const HostFacts& host, std::vector<Finding>& findings) {
  std::string instructions;
  for (const char* name : {"avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "sve"}) {
    if (Contains(host.instructions, name)) instructions += StrCat(" ", name);
  }
  findings.push_back(
      Ok("processor", StrCat(host.processor, ", with",
                             instructions.empty() ? " no vectors that we know" : instructions)));
}

void JudgeCores(const MachineFacts& facts, std::vector<Finding>& findings) {
  const HostFacts& host = facts.host;
  const auto allowed = static_cast<double>(host.allowed_cores.size());
  Finding finding =
      Ok("cores",
         StrCat("may run on ", host.allowed_cores.size(), " of ", host.usable_cores.size(), " (",
                CpuListText(host.allowed_cores), "); ", host.num_physical_cores, " physical, ",
                host.num_numa_nodes, host.num_numa_nodes == 1 ? " NUMA node" : " NUMA nodes"));
  if (host.cpu_quota > 0) {
    finding.value += StrCat("; quota ", FixedText(host.cpu_quota, 2), " cores");
    if (host.cpu_quota < allowed) {
      const int threads =
          std::max(1, static_cast<int>(host.cpu_quota) / std::max(1, facts.num_ranks_of_host));
      finding.verdict = Verdict::kWarn;
      finding.remedy = StrCat(
          "the control group gives less time than there are cores, so threads are stopped in "
          "the middle of a step; raise its limit, or train with --set device.threads=",
          threads);
    }
  }
  findings.push_back(finding);
}

void JudgeMemory(const HostFacts& host, std::vector<Finding>& findings) {
  const int64_t usable = std::min(host.memory_bytes, host.memory_limit_bytes);
  const int64_t available = std::min(host.available_memory_bytes, host.memory_limit_bytes);
  Finding finding = Ok(
      "memory", StrCat(BytesText(host.memory_bytes), ", limit of the control group ",
                       LimitText(host.memory_limit_bytes), ", available ", BytesText(available)));
  if (available < kGiB || available < usable / 10) {
    finding.verdict = Verdict::kWarn;
    finding.remedy = "little is left for a run; end what holds it, or raise the limit";
  }
  findings.push_back(finding);
}

void JudgeLockedMemory(const HostFacts& host, std::vector<Finding>& findings) {
  Finding finding = Ok("locked memory", StrCat("limit ", LimitText(host.locked_memory_limit),
                                               host.has_infiniband ? ", InfiniBand is there" : ""));
  if (host.has_infiniband && host.locked_memory_limit != kUnlimited) {
    finding.verdict = host.locked_memory_limit < 64 * kMiB ? Verdict::kFail : Verdict::kWarn;
    finding.remedy =
        "InfiniBand needs memory that stays in place; set `* - memlock unlimited` in "
        "/etc/security/limits.conf (for Slurm, LimitMEMLOCK=infinity in slurmd's unit), in a "
        "container --ulimit memlock=-1";
  }
  findings.push_back(finding);
}

void JudgeOpenFiles(const MachineFacts& facts, std::vector<Finding>& findings) {
  constexpr int64_t kOwnFiles = 128;  // data, logs, checkpoints, libraries
  constexpr int64_t kCommon = 1024;
  const int64_t limit = facts.host.open_files_limit;
  const int64_t needed = kOwnFiles + facts.num_ranks;
  Finding finding = Ok("open files", StrCat("limit ", CountText(limit)));
  if (limit < needed || limit < kCommon) {
    finding.verdict = limit < needed ? Verdict::kFail : Verdict::kWarn;
    finding.remedy =
        StrCat("a rank may hold a connection to each other rank and some ", kOwnFiles, " files, ",
               needed, " in all; raise it with `ulimit -n ", std::max(needed, kCommon),
               "` or nofile in "
               "/etc/security/limits.conf");
  }
  findings.push_back(finding);
}

void JudgeStack(const HostFacts& host, std::vector<Finding>& findings) {
  Finding finding = Ok("stack", StrCat("limit ", LimitText(host.stack_limit)));
  if (host.stack_limit < kMiB) {
    finding.verdict = Verdict::kWarn;
    finding.remedy = "threads get as much, and libraries expect more; `ulimit -s 8192`";
  }
  findings.push_back(finding);
}

void JudgeProcesses(const MachineFacts& facts, std::vector<Finding>& findings) {
  constexpr int64_t kThreadsBesideCores = 16;  // of a rank: streams, MPI, checkpoints
  const int64_t limit = facts.host.processes_limit;
  const int64_t needed = static_cast<int64_t>(facts.host.usable_cores.size()) +
                         kThreadsBesideCores * facts.num_ranks_of_host;
  Finding finding = Ok("processes", StrCat("limit ", CountText(limit), " of the user or group"));
  if (limit < 2 * needed) {
    finding.verdict = limit < needed ? Verdict::kFail : Verdict::kWarn;
    finding.remedy = StrCat("the ranks of this host start some ", needed,
                            " threads, which count; raise it with `ulimit -u`, or the group's "
                            "pids.max (in a container --pids-limit)");
  }
  findings.push_back(finding);
}

void JudgeSharedMemory(const MachineFacts& facts, std::vector<Finding>& findings) {
  constexpr int64_t kBytesOfRank = 16 * kMiB;  // Open MPI's segment of each
  const int64_t free = facts.host.free_shared_memory_bytes;
  const int64_t needed = kBytesOfRank * facts.num_ranks_of_host;
  Finding finding = Ok("/dev/shm", StrCat(BytesText(facts.host.shared_memory_bytes), ", ",
                                          BytesText(free), " free"));
  if (free < needed || facts.host.shared_memory_bytes <= 64 * kMiB) {
    const bool fails = free < needed && facts.num_ranks_of_host > 1;
    finding.verdict = fails ? Verdict::kFail : Verdict::kWarn;
    finding.remedy =
        StrCat("ranks of one host talk through it, each with ", BytesText(kBytesOfRank),
               "; `mount -o remount,size=50% /dev/shm`, in a container --shm-size=8g");
  }
  findings.push_back(finding);
}

void JudgeHugePages(const HostFacts& host, std::vector<Finding>& findings) {
  Finding finding =
      Ok("huge pages", host.huge_pages.empty() ? "the kernel has no transparent ones"
                                               : StrCat("transparent: ", host.huge_pages));
  if (host.huge_pages == "never") {
    finding.verdict = Verdict::kWarn;
    finding.remedy =
        "large tensors in small pages cost address look-ups; as root `echo always > "
        "/sys/kernel/mm/transparent_hugepage/enabled`";
  }
  findings.push_back(finding);
}

void JudgeLaunch(const MachineFacts& facts, std::vector<Finding>& findings) {
  Finding finding =
      Ok("launcher", StrCat(LauncherName(facts.launch.launcher), "; MPI rank ", facts.rank, " of ",
                            facts.num_ranks, ", ", facts.num_ranks_of_host, " on this host"));
  if (std::string problem = LaunchProblem(facts.launch, {.num_ranks = facts.num_ranks});
      !problem.empty()) {
    finding.verdict = Verdict::kFail;
    finding.remedy = std::move(problem);
  }
  findings.push_back(finding);
}

}  // namespace

std::optional<Gpu> ChosenGpu(const MachineFacts& facts) {
  if (facts.gpus.empty()) return std::nullopt;
  const int index =
      ChooseGpu({.local_rank = facts.rank_of_host, .local_size = facts.num_ranks_of_host},
                static_cast<int>(facts.gpus.size()));
  return facts.gpus[static_cast<size_t>(index)];
}

std::vector<Finding> JudgeMachine(const MachineFacts& facts) {
  std::vector<Finding> findings;
  JudgeBuild(facts.build, findings);
  JudgeInstructions(facts, findings);
  JudgeMpi(facts.mpi, findings);
  JudgeOneDnn(facts, findings);
  JudgeOpenBlas(facts, findings);
  JudgeCuda(facts, findings);
  JudgeGpu(facts, findings);
  JudgeNccl(facts, findings);
  JudgeHost(facts.host, findings);
  JudgeProcessor(facts.host, findings);
  JudgeCores(facts, findings);
  JudgeMemory(facts.host, findings);
  JudgeLockedMemory(facts.host, findings);
  JudgeOpenFiles(facts, findings);
  JudgeStack(facts.host, findings);
  JudgeProcesses(facts, findings);
  JudgeSharedMemory(facts, findings);
  JudgeHugePages(facts.host, findings);
  JudgeLaunch(facts, findings);
  return findings;
}

}  // namespace cadmus
