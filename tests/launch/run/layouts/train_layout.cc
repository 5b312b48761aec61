// SPDX-License-Identifier: Apache-2.0
#include "tests/launch/run/layouts/train_layout.h"

#include "collectives/local/local_world.h"
#include "launch/config/run_config.pb.h"
#include "tests/launch/run/training_fixture.h"

namespace cadmus {
namespace {

// Gradients as they are after the step: summed over all ranks, not clipped.
std::vector<Piece> GradientPieces(TrainingJob& job, bool is_writer) {
  std::vector<Piece> pieces;
  for (const ParameterShard& shard : job.data_parallel().shards()) {
    const Parameter& parameter = *shard.parameter;
    pieces.push_back({.name = "gradient of " + parameter.name,
                      .global_shape = parameter.shape,
                      .runs = RunsOfRange(parameter.shape, parameter.LocalShape(), parameter.slices,
                                          shard.range, is_writer && parameter.is_first_holder),
                      .values = ReadTensor(shard.grad_N, job.compute())});
  }
  return pieces;
}

}  // namespace

std::vector<Piece> StatePieces(TrainingJob& job) {
  std::vector<Piece> pieces;
  for (const StateEntry& entry : job.StateEntries()) {
    pieces.push_back(
        {.name = entry.name,
         .global_shape = entry.global_shape,
         .runs = RunsOfBox(entry.global_shape, entry.offset, entry.local.shape(), entry.is_writer),
         .values = ReadTensor(entry.local, job.compute())});
  }
  return pieces;
}

std::vector<RankStep> RunSteps(TrainingJob& job, const std::shared_ptr<const IndexedDataset>& data,
                               const StepRange& range, PlantedBug* bug, int rank) {
  const GlobalBatch batches(data, job.loader_options());
  StepBatch batch = batches.Allocate();
  std::vector<RankStep> steps;
  for (int step = range.first; step < range.first + range.count; ++step) {
    batches.Fill(step, batch);
    if (bug != nullptr) bug->BeforeStep(batch, job, rank);
    RankStep state = {.result = job.step().Run(batch, StopRequest::kNo)};
    state.gradients = GradientPieces(job, job.groups().dp_replicate->rank() == 0);
    state.state = StatePieces(job);
    steps.push_back(std::move(state));
  }
  return steps;
}

std::vector<RankStep> TrainRank(const RunConfig& config,
                                const std::shared_ptr<const IndexedDataset>& data, Device& device,
                                Communicator& world, const LayoutRun& run) {
  TrainingJob job(config, device, world);
  if (run.bug != nullptr) run.bug->AfterConstruction(job, world.rank());
  return RunSteps(job, data, {.count = run.num_steps}, run.bug, world.rank());
}

CommunicatorOptions LayoutCommunicators(const LayoutRun& run) {
  return {.limit = run.wait_limit, .workspace_bytes = int64_t{64} << 10};
}

void RunLayoutRanks(int world_size, const LayoutRun& run,
                    const std::function<void(Device&, Communicator&)>& rank_main) {
  const auto pool = MakeThreadPool(run.num_threads);
  RunLocalRanks(world_size, [&](Bootstrap& bootstrap) {
    const auto device = OpenTestDevice(pool, run.streams, run.device, kLayoutDeviceBytes);
    auto world = bootstrap.Connect(*device, LayoutCommunicators(run));
    if (run.bug != nullptr) world = run.bug->Wrap(std::move(world));
    rank_main(*device, *world);
  });
}

std::vector<GlobalStep> TrainLayout(const RunConfig& config, int world_size,
                                    const std::shared_ptr<const IndexedDataset>& data,
                                    const LayoutRun& run) {
  std::vector<std::vector<RankStep>> ranks(static_cast<size_t>(world_size));
  RunLayoutRanks(world_size, run, [&](Device& device, Communicator& world) {
    ranks[static_cast<size_t>(world.rank())] = TrainRank(config, data, device, world, run);
  });
  return PutStepsTogether(ranks);
}

std::vector<GlobalStep> PutStepsTogether(const std::vector<std::vector<RankStep>>& ranks) {
  std::vector<GlobalStep> steps;
  for (size_t step = 0; step < ranks.front().size(); ++step) {
    std::vector<const RankStep*> of_step;
    for (const auto& rank : ranks) of_step.push_back(&rank[step]);
    steps.push_back(PutTogether(of_step));
  }
  return steps;
}

}  // namespace cadmus
