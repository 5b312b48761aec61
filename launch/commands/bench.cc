// SPDX-License-Identifier: Apache-2.0
#include "launch/commands/bench.h"

#include <iostream>

#include "collectives/mpi/mpi_bootstrap.h"
#include "kernels/base/log.h"
#include "kernels/open_device.h"
#include "launch/bench/collect_reports.h"
#include "launch/bench/gather_facts.h"
#include "launch/bench/judge_machine.h"
#include "launch/bench/report_findings.h"

namespace cadmus {
namespace {

int Print(const std::vector<Finding>& findings, const BenchFlags& flags) {
  if (flags.json) {
    std::cout << FindingsToJson(findings) << '\n' << std::flush;
  } else {
    std::cerr << FindingsToText(findings);
  }
  return WorstOf(findings) == Verdict::kFail ? static_cast<int>(Kind::kHardware) : 0;
}

int PrintOnRankZero(std::vector<Finding> findings, const std::vector<RankReport>& reports,
                    const BenchFlags& flags) {
  for (Finding& finding : JudgeRanks(reports)) findings.push_back(std::move(finding));
  return Print(findings, flags);
}

}  // namespace

int RunBench(const BenchFlags& flags) {
  const Launch launch = DetectLaunch(ProcessEnvironment);
  if (const std::string doubt = LaunchWarning(launch); !doubt.empty()) LogWarning(doubt);
  const std::unique_ptr<Bootstrap> ranks = StartMpi();
  if (ranks->size() > 1) SetRankLabel(StrCat("rank ", ranks->rank()));
  MachineFacts facts = GatherFacts(launch);
  facts.rank = ranks->rank();
  facts.num_ranks = ranks->size();
  facts.rank_of_host = ranks->local_rank();
  facts.num_ranks_of_host = ranks->local_size();
  const std::vector<Finding> findings = JudgeMachine(facts);
  const RankReport report = MakeReport(facts, findings);
  if (ranks->size() == 1) return PrintOnRankZero(findings, {report}, flags);

  const std::unique_ptr<Device> device = OpenDevice(
      {.kind = DeviceKind::kCpu, .memory_bytes = int64_t{64} << 20, .pool = MakeThreadPool(1)});
  const std::unique_ptr<Communicator> world = ranks->Connect(*device);
  const std::unique_ptr<Stream> stream = device->NewStream(StreamKind::kCompute, "facts");
  const std::vector<RankReport> reports = CollectReports(report, *world, *stream);
  int64_t code = 0;
  if (world->rank() == 0) code = PrintOnRankZero(findings, reports, flags);
  return static_cast<int>(NumberOfRankZero(code, *world, *stream));
}

}  // namespace cadmus
