// SPDX-License-Identifier: Apache-2.0
#include "launch/commands/launched_ranks.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "collectives/local/local_world.h"
#include "collectives/mpi/mpi_bootstrap.h"
#include "kernels/base/log.h"
#include "launch/bench/launcher.h"
#include "launch/config/make_device_options.h"
#include "launch/config/run_config.pb.h"

namespace cadmus {
namespace {

std::chrono::milliseconds TimeLimit(const RunConfig& config) {
  return std::chrono::milliseconds(
      std::llround(config.communication().time_limit_seconds() * 1000));
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

std::unique_ptr<Device> LaunchedRanks::OpenRankDevice(const RunConfig& config) {
  DeviceOptions options = MakeDeviceOptions(config.device());
  if (options.kind == DeviceKind::kCpu) options.pool = Pool(config);
  std::unique_ptr<Device> device = OpenDevice(options);
  const std::chrono::milliseconds limit = TimeLimit(config);
  device->set_wait_limit(limit + limit / 2);
  return device;
}

std::unique_ptr<Communicator> LaunchedRanks::Connect(const RunConfig& config, Bootstrap& rank,
                                                     Device& device) {
  return rank.Connect(device, {.limit = TimeLimit(config)});
}

void LaunchedRanks::LogCalls() {
  std::lock_guard lock(mutex_);
  for (const Bootstrap* rank : running_) {
    if (rank->size() > 1) SetRankLabel(StrCat("rank ", rank->rank()));
    LogWarning(StrCat("calls of this rank, newest last:\n", rank->recorder().Dump()));
  }
}

}  // namespace cadmus
