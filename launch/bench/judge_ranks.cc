// SPDX-License-Identifier: Apache-2.0
#include "launch/bench/judge_ranks.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "kernels/base/quantity.h"
#include "kernels/base/str_cat.h"
#include "launch/bench/cpu_list.h"
#include "launch/bench/judge_machine.h"

namespace cadmus {
namespace {

using Reports = std::vector<const RankReport*>;

constexpr size_t kMostNamed = 8;

// "rank 3 on node-b, rank 7 on node-c and 12 more"
std::string Named(const Reports& ranks) {
  std::string text;
  for (size_t i = 0; i < std::min(ranks.size(), kMostNamed); ++i) {
    text += StrCat(i == 0 ? "" : ", ", "rank ", ranks[i]->rank, " on ", ranks[i]->host);
  }
  if (ranks.size() > kMostNamed) text += StrCat(" and ", ranks.size() - kMostNamed, " more");
  return text;
}

// What most ranks have is taken as meant; of equals, what the lowest rank has.
Finding JudgeTrait(const std::vector<RankReport>& reports, size_t trait) {
  std::map<std::string, Reports> by_value;
  for (const RankReport& report : reports) {
    by_value[report.traits.at(trait).value].push_back(&report);
  }
  const RankReport::Trait& first = reports.front().traits.at(trait);
  Finding finding = {.name = StrCat("same ", first.name), .value = "on all ranks"};
  if (by_value.size() == 1) return finding;
  const auto meant = std::ranges::max_element(by_value, {}, [](const auto& entry) {
    return std::pair(entry.second.size(), -entry.second.front()->rank);
  });
  finding.verdict = first.if_different;
  finding.value = StrCat(meant->second.size(), " of ", reports.size(), " ranks: ", meant->first);
  for (const auto& [value, ranks] : by_value) {
    if (value != meant->first) finding.value += StrCat("; ", Named(ranks), ": ", value);
  }
  finding.remedy = "give all ranks the same, or leave the hosts out";
  return finding;
}

Finding JudgeClocks(const std::vector<RankReport>& reports) {
  constexpr double kTolerated = 1.0;  // seconds: what logs and files of several hosts bear
  Finding finding = {.name = "clocks"};
  Reports skewed;
  double largest = 0;
  for (const RankReport& report : reports) {
    const double offset = std::abs(report.clock_offset_seconds);
    largest = std::max(largest, offset);
    if (offset - report.clock_error_seconds > kTolerated) skewed.push_back(&report);
  }
  finding.value = StrCat("at most ", FixedText(largest, 3), " s from rank 0's, as measured");
  if (skewed.empty()) return finding;
  finding.verdict = Verdict::kWarn;
  finding.value = "";
  for (size_t i = 0; i < std::min(skewed.size(), kMostNamed); ++i) {
    finding.value += StrCat(i == 0 ? "" : ", ", "rank ", skewed[i]->rank, " on ", skewed[i]->host,
                            " is ", FixedText(skewed[i]->clock_offset_seconds, 1), " s off");
  }
  if (skewed.size() > kMostNamed) {
    finding.value += StrCat(" and ", skewed.size() - kMostNamed, " more");
  }
  finding.remedy = "logs and file times will mislead; start chrony or ntpd there";
  return finding;
}

std::vector<int> Union(const Reports& ranks) {
  std::set<int> cores;
  for (const RankReport* rank : ranks) {
    cores.insert(rank->allowed_cores.begin(), rank->allowed_cores.end());
  }
  return {cores.begin(), cores.end()};
}

// Ranks that share cores although others are idle, ranks that share them because there are too few,
// and cores that no rank may use. Ranks that are not bound share all of them, which is as it should
// be: each then starts its part of the threads.
Finding JudgeCoresOfHost(const std::string& host, const Reports& ranks) {
  Finding finding = {.name = "cores of ranks"};
  const std::vector<int> used = Union(ranks);
  const size_t usable = std::max(ranks.front()->usable_cores.size(), used.size());
  finding.value =
      StrCat(host, ": ", ranks.size(), ranks.size() == 1 ? " rank uses " : " ranks use ",
             used.size(), " of ", usable, " cores");
  if (used.size() < ranks.size()) {
    const bool idle = used.size() < usable;
    finding.verdict = idle ? Verdict::kFail : Verdict::kWarn;
    finding.remedy = StrCat(
        idle ? "they are bound to the same cores while others idle; start with `mpirun --bind-to "
               "none`, or `srun --cpu-bind=none`"
             : "they take turns on a core, and each waits for the others; start fewer ranks");
    return finding;
  }
  for (size_t i = 0; i < ranks.size(); ++i) {
    for (size_t j = i + 1; j < ranks.size(); ++j) {
      const std::vector<int>& a = ranks[i]->allowed_cores;
      const std::vector<int>& b = ranks[j]->allowed_cores;
      if (a == b && a.size() >= ranks.size()) continue;  // not bound, or to a set that holds both
      std::vector<int> shared;
      std::ranges::set_intersection(a, b, std::back_inserter(shared));
      if (shared.empty()) continue;
      finding.verdict = used.size() < usable ? Verdict::kFail : Verdict::kWarn;
      finding.value += StrCat("; ranks ", ranks[i]->rank, " and ", ranks[j]->rank, " share ",
                              CpuListText(shared));
      finding.remedy =
          "give each rank cores of its own: `mpirun --map-by slot:PE=N`, or `srun "
          "--cpus-per-task=N`; or bind none: `mpirun --bind-to none`";
      return finding;
    }
  }
  if (used.size() < usable) {
    finding.verdict = Verdict::kWarn;
    finding.remedy =
        "the others idle; start with `mpirun --bind-to none` or `--map-by slot:PE=N`, or `srun "
        "--cpus-per-task=N`";
  }
  return finding;
}

void JudgeCores(const std::vector<RankReport>& reports, std::vector<Finding>& findings) {
  std::map<std::string, Reports> by_host;
  for (const RankReport& report : reports) by_host[report.host].push_back(&report);
  std::vector<Finding> wrong;
  for (const auto& [host, ranks] : by_host) {
    Finding finding = JudgeCoresOfHost(host, ranks);
    if (finding.verdict != Verdict::kOk || by_host.size() == 1) wrong.push_back(finding);
  }
  if (wrong.empty()) {
    wrong.push_back({.name = "cores of ranks",
                     .value = StrCat("each has its own on all ", by_host.size(), " hosts")});
  }
  findings.insert(findings.end(), wrong.begin(), wrong.end());
}

// As `train` judges them: a GPU each, unless the config says that they may share.
void JudgeGpus(const std::vector<RankReport>& reports, std::vector<Finding>& findings) {
  std::map<std::string, Reports> by_gpu;
  for (const RankReport& report : reports) {
    if (!report.gpu.empty()) by_gpu[report.gpu].push_back(&report);
  }
  if (by_gpu.empty()) return;
  Finding finding = {.name = "GPUs of ranks", .value = "each has its own"};
  for (const auto& [gpu, ranks] : by_gpu) {
    if (ranks.size() == 1) continue;
    finding.verdict = Verdict::kWarn;
    finding.value = StrCat(Named(ranks), " take ", gpu);
    finding.remedy =
        "start no more ranks on a host than it has GPUs, or set device.share_gpu = true";
    break;
  }
  findings.push_back(finding);
}

// The same problem of many ranks is one line.
void AddProblemsOfOthers(const std::vector<RankReport>& reports, std::vector<Finding>& findings) {
  const auto key = [](const Finding& problem) {
    return std::tuple(problem.name, problem.verdict, problem.remedy);
  };
  std::set<std::tuple<std::string, Verdict, std::string>> of_rank_0;
  for (const Finding& problem : reports.front().problems) of_rank_0.insert(key(problem));
  struct Shared {
    const Finding* problem;
    Reports ranks;
  };
  std::map<std::tuple<std::string, Verdict, std::string>, Shared> others;
  for (const RankReport& report : reports) {
    for (const Finding& problem : report.problems) {
      if (of_rank_0.contains(key(problem))) continue;
      Shared& shared = others[key(problem)];
      shared.problem = &problem;
      shared.ranks.push_back(&report);
    }
  }
  for (const auto& [unused, shared] : others) {
    Finding finding = *shared.problem;
    finding.value = StrCat(Named(shared.ranks), ": ", finding.value);
    findings.push_back(finding);
  }
}

}  // namespace

RankReport MakeReport(const MachineFacts& facts, const std::vector<Finding>& findings) {
  const HostFacts& host = facts.host;
  RankReport report = {
      .rank = facts.rank,
      .host = host.name,
      .traits = {{"version", facts.build.version, Verdict::kFail},
                 {"binary", facts.build.binary_hash, Verdict::kFail},
                 {"MPI", StrCat(facts.mpi.loaded, " from ", facts.mpi.path), Verdict::kFail},
                 {"oneDNN",
                  StrCat(facts.libraries.onednn, " ", facts.libraries.onednn_instructions),
                  Verdict::kWarn},
                 {"OpenBLAS", StrCat(facts.libraries.openblas, " ", facts.libraries.openblas_core),
                  Verdict::kWarn},
                 {"CUDA driver", facts.cuda_driver.version, Verdict::kWarn},
                 {"NCCL", facts.nccl.version, Verdict::kWarn},
                 {"processor", host.processor, Verdict::kWarn},
                 {"kernel", host.kernel, Verdict::kWarn},
                 {"limits",
                  StrCat("locked memory ", host.locked_memory_limit, ", open files ",
                         host.open_files_limit, ", stack ", host.stack_limit, ", processes ",
                         host.processes_limit),
                  Verdict::kWarn},
                 {"huge pages", host.huge_pages, Verdict::kWarn}},
      .usable_cores = host.usable_cores,
      .allowed_cores = host.allowed_cores};
  if (const std::optional<Gpu> gpu = ChosenGpu(facts)) report.gpu = gpu->uuid;
  for (const Finding& finding : findings) {
    if (finding.verdict != Verdict::kOk) report.problems.push_back(finding);
  }
  return report;
}

std::vector<Finding> JudgeRanks(const std::vector<RankReport>& reports) {
  std::vector<Finding> findings;
  JudgeCores(reports, findings);
  if (reports.size() == 1) return findings;
  for (size_t trait = 0; trait < reports.front().traits.size(); ++trait) {
    findings.push_back(JudgeTrait(reports, trait));
  }
  JudgeGpus(reports, findings);
  findings.push_back(JudgeClocks(reports));
  AddProblemsOfOthers(reports, findings);
  return findings;
}

}  // namespace cadmus
