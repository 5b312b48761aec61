// SPDX-License-Identifier: Apache-2.0
#include "launch/commands/launched_ranks.h"

#include <algorithm>
#include <thread>

#include "collectives/local/local_world.h"
#include "collectives/mpi/mpi_bootstrap.h"
#include "collectives/nccl/nccl_bootstrap.h"
#include "kernels/base/log.h"
#include "launch/bench/launcher.h"
#include "launch/config/make_device_options.h"
#include "launch/config/run_config.pb.h"
#include "launch/run/context_memory.h"
#include "launch/run/gpu_ranks.h"

namespace cadmus {
namespace {

void LogCallsOf(const Bootstrap& rank) {
  if (rank.size() > 1) SetRankLabel(StrCat("rank ", rank.rank()));
  LogWarning(StrCat("calls of this rank, newest last:\n", rank.recorder().Dump()));
}

}  // namespace

class LaunchedRanks::Entry {
 public:
  Entry(LaunchedRanks& ranks, const Bootstrap& rank) : ranks_(ranks), rank_(rank) {
    std::lock_guard lock(ranks_.mutex_);
    ranks_.running_.insert(&rank_);
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;
  ~Entry() {
    std::lock_guard lock(ranks_.mutex_);
    ranks_.running_.erase(&rank_);
  }

 private:
  LaunchedRanks& ranks_;
  const Bootstrap& rank_;
};

LaunchedRanks::LaunchedRanks(int ranks_as_threads) : ranks_as_threads_(ranks_as_threads) {
  const Launch launch = DetectLaunch(ProcessEnvironment);
  if (const std::string doubt = LaunchWarning(launch); !doubt.empty()) LogWarning(doubt);
  launched_ = StartMpi();
  if (const std::string problem = LaunchProblem(
          launch, {.num_ranks = launched_->size(), .ranks_are_threads = ranks_as_threads > 0});
      !problem.empty()) {
    throw Error(Kind::kConfig, problem);
  }
  if (launched_->size() > 1) SetRankLabel(StrCat("rank ", launched_->rank()));
  if (ranks_as_threads > 0 && launched_->size() > 1) {
    throw Error(Kind::kConfig,
                StrCat("--ranks-as-threads runs all ranks in one process, but ", launched_->size(),
                       " have been started: drop the flag, or start one process"));
  }
}

int LaunchedRanks::Run(const std::function<int(Bootstrap&)>& rank_main) {
  if (ranks_as_threads_ == 0) return RunOne(*launched_, rank_main);
  int exit_code = 0;
  RunLocalRanks(ranks_as_threads_, [&](Bootstrap& bootstrap) {
    const int code = RunOne(bootstrap, rank_main);  // the ranks agree
    if (bootstrap.rank() == 0) exit_code = code;
  });
  return exit_code;
}

int LaunchedRanks::RunOne(Bootstrap& rank, const std::function<int(Bootstrap&)>& rank_main) {
  const Entry entry(*this, rank);
  if (rank.size() > 1) SetRankLabel(StrCat("rank ", rank.rank()));
  if (rank.rank() > 0) SetStderrLevel(LogLevel::kError);
  return rank_main(rank);
}

// By default the threads of all processes of the host together are as many as its cores.
std::shared_ptr<cpu::ThreadPool> LaunchedRanks::Pool(const RunConfig& config) {
  std::lock_guard lock(mutex_);
  if (pool_ == nullptr) {
    const int cores = static_cast<int>(std::thread::hardware_concurrency());
    const int asked = config.device().threads();
    pool_ = MakeThreadPool(asked != 0 ? asked : std::max(1, cores / launched_->local_size()));
  }
  return pool_;
}

struct LaunchedRanks::GpuPlace {
  Gpu gpu;
  ChosenTransport chosen;
};

// Threads of a process share its GPUs; processes tell each other what they would take.
LaunchedRanks::GpuPlace LaunchedRanks::PlaceOnGpu(const RunConfig& config, Bootstrap& rank) {
  const std::vector<Gpu> gpus = VisibleGpus();
  const int index = ChooseGpu({.local_rank = rank.local_rank(), .local_size = rank.local_size()},
                              static_cast<int>(gpus.size()));
  GpuPlace place = {.gpu = gpus[static_cast<size_t>(index)]};
  if (ranks_as_threads_ > 0) {
    if (config.communication().transport() == CommunicationConfig::NCCL) {
      throw Error(Kind::kConfig,
                  "communication.transport = NCCL is among processes: start the ranks with mpirun, "
                  "or leave it AUTO");
    }
    place.chosen.words = "the memory of this process";
  } else if (rank.size() > 1) {
    const FoundNccl nccl = FindNccl();
    const std::string shares = ProcessEnvironment("NCCL_MULTI_RANK_GPU_ENABLE").value_or("");
    const GpuRank mine = {.gpu = place.gpu.uuid,
                          .nccl_version = nccl.version,
                          .nccl_shares_gpu = NcclSharesGpus(nccl.version, shares)};
    place.chosen = ChooseTransport(config, ExchangeGpuRanks(mine, config, rank), nccl.problem);
  }
  return place;
}

OpenedRank LaunchedRanks::Open(const RunConfig& config, Bootstrap& rank) {
  OpenedRank opened;
  DeviceOptions options = MakeDeviceOptions(config.device());
  if (options.kind == DeviceKind::kCpu) {
    options.pool = Pool(config);
  } else {
    const GpuPlace place = PlaceOnGpu(config, rank);
    options.gpu_index = place.gpu.index;
    options.later_bytes =
        PlanContextMemory(config, rank.size(), place.chosen.transport).later_bytes();
    opened.transport = place.chosen.transport;
    opened.words = StrCat("runs on ", ToString(place.gpu));
    if (rank.size() > 1) opened.words += StrCat("; exchanges over ", place.chosen.words);
  }
  const CommunicatorOptions groups = MakeCommunicatorOptions(config, opened.transport, rank.size());
  opened.device = OpenDevice(options);
  opened.device->set_wait_limit(groups.limit + groups.limit / 2);
  if (opened.transport == TransportKind::kNccl) {
    std::lock_guard lock(mutex_);
    nccl_ = StartNccl(rank);
  }
  opened.world = (nccl_ != nullptr ? *nccl_ : rank).Connect(*opened.device, groups);
  return opened;
}

void LaunchedRanks::LogCalls() {
  std::lock_guard lock(mutex_);
  for (const Bootstrap* rank : running_) LogCallsOf(*rank);
  if (nccl_ != nullptr) LogCallsOf(*nccl_);
}

}  // namespace cadmus
