// SPDX-License-Identifier: Apache-2.0
// The step recorded on the sim device is the step that the cpu runs: the same ops and collectives
// in the same order, the same memory; and its waits are complete.
#include <gtest/gtest.h>
#include <fstream>
#include <string_view>

#include "collectives/local/local_world.h"
#include "collectives/sim/sim_communicator.h"
#include "kernels/device/trace.h"
#include "kernels/sim/hazard_check.h"
#include "launch/config/run_config.pb.h"
#include "tests/launch/run/training_fixture.h"

namespace cadmus {
namespace {

constexpr int kRanks = 2;

struct Recorded {
  std::vector<TraceEntry> entries;  // of steps 0 and 1
  MemoryStats memory;
};

// Trains two steps with a trace attached.
// Two steps; `trace`, if any, is told of them.
void TrainTwoSteps(const RunConfig& config, const std::shared_ptr<const IndexedDataset>& data,
                   Device& device, Communicator& world, Trace* trace) {
  TrainingJob job(config, device, world);
  const GlobalBatch batches(data, job.loader_options());
  StepBatch batch = batches.Allocate();
  device.set_trace(trace);
  for (int step = 0; step < 2; ++step) {
    batches.Fill(step, batch);
    job.step().Run(batch, StopRequest::kNo);
  }
  device.set_trace(nullptr);
}

Recorded Record(const RunConfig& config, const std::shared_ptr<const IndexedDataset>& data,
                Device& device, Communicator& world) {
  Trace trace;
  TrainTwoSteps(config, data, device, world, &trace);
  return {.entries = trace.entries(), .memory = device.allocator().stats()};
}

Recorded RecordOnSim(const RunConfig& config, const std::shared_ptr<const IndexedDataset>& data,
                     int rank) {
  SimBootstrap bootstrap(rank, kRanks);
  const auto device = OpenTestDevice(nullptr, CpuStreams::kInline, DeviceKind::kSim);
  const auto world = bootstrap.Connect(*device);
  return Record(config, data, *device, *world);
}

class SimulatedStep : public testing::Test {
 protected:
  SimulatedStep() : config_(TinyRun()), data_(UnevenDocuments(folder_.path(), 131)) {
    config_.mutable_train()->set_bucket_mib(0.02);  // some 20 buckets
  }

  TemporaryFolder folder_;
  RunConfig config_;
  std::shared_ptr<const IndexedDataset> data_;
};

TEST_F(SimulatedStep, IssuesWhatTheCpuIssuesInTheSameOrder) {
  std::vector<Recorded> on_cpu(kRanks);
  const auto pool = MakeThreadPool(1);
  RunLocalRanks(kRanks, [&](Bootstrap& bootstrap) {
    const auto device = OpenTestDevice(pool);
    const auto world = bootstrap.Connect(*device);
    on_cpu[static_cast<size_t>(bootstrap.rank())] = Record(config_, data_, *device, *world);
  });
  for (int rank = 0; rank < kRanks; ++rank) {
    const Recorded& cpu = on_cpu[static_cast<size_t>(rank)];
    const Recorded sim = RecordOnSim(config_, data_, rank);
    ASSERT_EQ(sim.entries.size(), cpu.entries.size()) << "rank " << rank;
    ASSERT_GT(sim.entries.size(), 500u);
    for (size_t i = 0; i < sim.entries.size(); ++i) {
      ASSERT_EQ(static_cast<int>(sim.entries[i].kind), static_cast<int>(cpu.entries[i].kind))
          << "entry " << i;
      ASSERT_EQ(sim.entries[i].name, cpu.entries[i].name) << "entry " << i;
      ASSERT_EQ(sim.entries[i].detail, cpu.entries[i].detail) << "entry " << i;
      ASSERT_EQ(sim.entries[i].stream, cpu.entries[i].stream) << "entry " << i;
      ASSERT_EQ(sim.entries[i].payload_bytes, cpu.entries[i].payload_bytes) << "entry " << i;
    }
    for (int category = 0; category < kNumMemoryCategories; ++category) {
      const auto c = static_cast<size_t>(category);
      EXPECT_EQ(sim.memory.peak_bytes[c], cpu.memory.peak_bytes[c])
          << Name(static_cast<MemoryCategory>(category));
    }
    EXPECT_EQ(sim.memory.peak_total_bytes, cpu.memory.peak_total_bytes);
    EXPECT_EQ(sim.memory.high_water_bytes, cpu.memory.high_water_bytes);
  }
}

// Kernels that know no documents may then be chosen.
TEST_F(SimulatedStep, TellsAttentionOfDocumentsOnlyWhereTheyAreMasked) {
  for (const bool mask : {true, false}) {
    config_.mutable_data()->set_mask_across_documents(mask);
    int num_calls = 0, num_told = 0;
    for (const TraceEntry& entry : RecordOnSim(config_, data_, 0).entries) {
      if (!entry.name.starts_with("Attention")) continue;
      ++num_calls;
      num_told += entry.detail.find("documents") != std::string::npos;
    }
    EXPECT_GT(num_calls, 0);
    EXPECT_EQ(num_told, mask ? num_calls : 0);
  }
}

TEST_F(SimulatedStep, HasNoHazard) {
  Trace trace;
  for (TraceEntry& entry : RecordOnSim(config_, data_, 0).entries) trace.Append(std::move(entry));
  const auto hazards = sim::FindHazards(trace);
  EXPECT_TRUE(hazards.empty()) << hazards.size()
                               << " hazards, first: " << hazards.front().ToString();
}

TEST_F(SimulatedStep, TwentyOfTwentyMissingWaitsAreFound) {
  const Recorded recorded = RecordOnSim(config_, data_, 0);
  std::vector<size_t> waits;
  for (size_t i = 0; i < recorded.entries.size(); ++i) {
    if (recorded.entries[i].kind == TraceEntry::Kind::kWait) waits.push_back(i);
  }
  ASSERT_GE(waits.size(), 40u);
  // Evenly over both steps and both directions.
  int found = 0;
  for (size_t k = 0; k < 20; ++k) {
    const size_t left_out = waits[k * waits.size() / 20];
    Trace trace;
    for (size_t i = 0; i < recorded.entries.size(); ++i) {
      if (i != left_out) trace.Append(recorded.entries[i]);
    }
    const bool noticed = !sim::FindHazards(trace).empty();
    EXPECT_TRUE(noticed) << "wait at entry " << left_out << " of stream "
                         << recorded.entries[left_out].stream << " for event "
                         << recorded.entries[left_out].event;
    found += noticed ? 1 : 0;
  }
  EXPECT_EQ(found, 20);
}

int64_t StatusKilobytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key + ":")) return std::stoll(line.substr(key.size() + 1));
  }
  return 0;
}

TEST_F(SimulatedStep, PredictsTheMemoryOfTheProcess) {
  if (!std::string_view(CADMUS_SANITIZERS).empty()) {
    GTEST_SKIP() << "a sanitizer keeps memory of its own: " << CADMUS_SANITIZERS;
  }
  // The libraries' own buffers come into being with the first, tiny job.
  TrainStepsLocally(config_, data_, 1, 1);
  LlamaConfig& llama = *config_.mutable_model()->mutable_llama();
  llama.set_hidden_size(512);
  llama.set_intermediate_size(1024);
  llama.set_num_hidden_layers(4);
  llama.set_max_position_embeddings(256);
  config_.mutable_data()->set_sequence_length(256);
  config_.mutable_train()->set_global_batch_size(8);
  config_.mutable_train()->set_micro_batch_size(8);
  config_.mutable_precision()->set_storage(PrecisionConfig::F32);

  const int64_t slab = int64_t{2} << 30;
  SimBootstrap sim_bootstrap(0, 1);
  const auto sim_device = OpenTestDevice(nullptr, CpuStreams::kInline, DeviceKind::kSim, slab);
  const auto sim_world = sim_bootstrap.Connect(*sim_device);
  const int64_t predicted = Record(config_, data_, *sim_device, *sim_world).memory.high_water_bytes;

  const int64_t baseline = StatusKilobytes("VmHWM") * 1024;
  RunLocalRanks(1, [&](Bootstrap& bootstrap) {
    const auto device =
        OpenTestDevice(MakeThreadPool(1), CpuStreams::kInline, DeviceKind::kCpu, slab);
    const auto world = bootstrap.Connect(*device);
    TrainTwoSteps(config_, data_, *device, *world, nullptr);  // a trace takes memory of its own
  });
  const int64_t measured = StatusKilobytes("VmHWM") * 1024 - baseline;
  EXPECT_GT(predicted, int64_t{200} << 20);
  EXPECT_NEAR(static_cast<double>(measured), static_cast<double>(predicted),
              0.1 * static_cast<double>(predicted));
  RecordProperty("predicted_mib", static_cast<int>(predicted >> 20));
  RecordProperty("measured_mib", static_cast<int>(measured >> 20));
}

}  // namespace
}  // namespace cadmus
