// SPDX-License-Identifier: Apache-2.0
#include "launch/plan/record_rank.h"

#include <map>
#include <utility>

#include "collectives/sim/sim_communicator.h"
#include "kernels/device/trace.h"
#include "kernels/open_device.h"
#include "kernels/ops/attention.h"
#include "kernels/ops/gemm.h"
#include "launch/config/make_device_options.h"
#include "launch/config/run_config.pb.h"
#include "launch/run/training_job.h"

namespace cadmus {
namespace {

// Addresses only: any layout has room, and whether it has on the machine is for the reader to see.
constexpr int64_t kSimulatedBytes = int64_t{1} << 54;

// Sizes are all that a recorded step takes from its batch.
StepBatch MakeBatch(const LoaderOptions& options) {
  StepBatch batch = AllocateBatch(options);
  batch.supervised_tokens = options.global_batch_size * options.sequence_length;
  return batch;
}

}  // namespace

RankRecord RecordRank(const RunConfig& config, int rank, int world_size) {
  const TransportKind transport = PlannedTransport(config, world_size);
  SimBootstrap bootstrap(
      rank, world_size,
      transport == TransportKind::kNccl ? SimGroups::kNccl : SimGroups::kInRankOrder);
  const auto device = OpenDevice({.kind = DeviceKind::kSim,
                                  .memory_bytes = kSimulatedBytes,
                                  .stands_for = PlannedProperties(config.device())});
  device->set_trace(nullptr);
  const auto world =
      bootstrap.Connect(*device, MakeCommunicatorOptions(config, transport, world_size));
  TrainingJob job(config, *device, *world);
  StepBatch batch = MakeBatch(job.loader_options());
  job.step().Run(batch, StopRequest::kNo);  // the first one also chooses kernels
  if (job.evaluator() != nullptr) job.evaluator()->RunBatch(MakeBatch(job.loader_options()));

  Trace trace;
  device->set_trace(&trace);
  batch.step = 1;
  job.step().Run(batch, StopRequest::kNo);
  device->set_trace(nullptr);

  RankRecord record = {
      .num_micro_batches = static_cast<int>(batch.micro_batches.size()),
      .memory = device->allocator().stats(),
      .context = PlanContextMemory(config, world_size, transport),
      .collectives = SumCollectives(trace),
      .executed_flops = SumFlops(trace)};
  for (const ParameterShard& shard : job.data_parallel().shards()) {
    record.num_parameters += shard.parameter->LocalShape().num_elements();
  }
  return record;
}

std::vector<CollectiveTotal> SumCollectives(const Trace& trace) {
  std::map<std::string, CollectiveTotal> totals;  // by "group/operation"
  for (const TraceEntry& entry : trace.entries()) {
    if (entry.kind != TraceEntry::Kind::kCollective) continue;
    CollectiveTotal& total = totals[entry.name];
    ++total.calls;
    total.bytes += entry.payload_bytes;
  }
  std::vector<CollectiveTotal> sorted;
  for (auto& [name, total] : totals) {
    const size_t slash = name.rfind('/');
    total.group = name.substr(0, slash);
    total.operation = name.substr(slash + 1);
    sorted.push_back(std::move(total));
  }
  return sorted;
}

double SumFlops(const Trace& trace) {
  double flops = 0;
  for (const TraceEntry& entry : trace.entries()) {
    if (entry.kind == TraceEntry::Kind::kOp &&
        (entry.name == GemmArgs::kName || entry.name == AttentionForwardArgs::kName ||
         entry.name == AttentionBackwardArgs::kName)) {
      flops += entry.cost.flops;
    }
  }
  return flops;
}

}  // namespace cadmus
