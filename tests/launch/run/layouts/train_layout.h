// SPDX-License-Identifier: Apache-2.0
// Trains a few steps of one layout over local or MPI ranks and keeps what every step left behind.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "collectives/communicator/communicator.h"
#include "kernels/open_device.h"
#include "launch/run/training_job.h"
#include "runtime/data/indexed_dataset.h"
#include "tests/launch/run/layouts/global_step.h"

namespace cadmus {

class RunConfig;

// The test-only hook: a mistake put into a run from outside, so that the product carries no
// switches. Called on every rank, from its thread.
class PlantedBug {
 public:
  virtual ~PlantedBug() = default;
  // In place of the world's communicator: what is made of it carries the mistake on.
  virtual std::unique_ptr<Communicator> Wrap(std::unique_ptr<Communicator> world) { return world; }
  virtual void AfterConstruction(TrainingJob&, int /*rank*/) {}
  virtual void BeforeStep(StepBatch&, TrainingJob&, int /*rank*/) {}
};

struct LayoutRun {
  DeviceKind device = DeviceKind::kCpu;  // the ranks share one GPU
  int num_steps = 3;
  CpuStreams streams = CpuStreams::kInline;
  int num_threads = 1;
  std::chrono::milliseconds wait_limit = std::chrono::seconds(60);
  PlantedBug* bug = nullptr;
};

// What a rank holds between steps: weights and moments.
std::vector<Piece> StatePieces(TrainingJob& job);

// Steps first, first + 1, … of a job whose state is that before `first`; `rank` in the world.
struct StepRange {
  int first = 0, count = 0;
};
std::vector<RankStep> RunSteps(TrainingJob& job, const std::shared_ptr<const IndexedDataset>& data,
                               const StepRange& range, PlantedBug* bug = nullptr, int rank = 0);

// One rank's part: collective over the ranks of `world`.
std::vector<RankStep> TrainRank(const RunConfig& config,
                                const std::shared_ptr<const IndexedDataset>& data, Device& device,
                                Communicator& world, const LayoutRun& run);

// The steps of all ranks, [rank][step], put together.
std::vector<GlobalStep> PutStepsTogether(const std::vector<std::vector<RankStep>>& ranks);

// Calls `rank_main` on each rank, as threads.
void RunLayoutRanks(int world_size, const LayoutRun& run,
                    const std::function<void(Device&, Communicator&)>& rank_main);

// All ranks as threads; the steps put together.
std::vector<GlobalStep> TrainLayout(const RunConfig& config, int world_size,
                                    const std::shared_ptr<const IndexedDataset>& data,
                                    const LayoutRun& run);

// Small enough for thousands of runs: device memory per rank, and workspace of each group.
inline constexpr int64_t kLayoutDeviceBytes = int64_t{96} << 20;
CommunicatorOptions LayoutCommunicators(const LayoutRun& run);

}  // namespace cadmus
