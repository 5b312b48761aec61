// SPDX-License-Identifier: Apache-2.0
// What the tests of whole training steps share: a tiny run, a data set with documents of uneven
// length, and a recorder of everything that a step changes.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "collectives/communicator/bootstrap.h"
#include "kernels/open_device.h"
#include "launch/run/training_job.h"
#include "runtime/data/indexed_dataset.h"
#include "tests/support/temporary_folder.h"

namespace cadmus {

class RunConfig;

// 2 layers, grouped-query attention, dropout, clipping that acts, packed documents; f64.
// train.global_batch_size is 12, so that 1, 2, 3 and 4 ranks divide it.
RunConfig TinyRun();

// Random tokens below `vocab_size` in documents of 1 to 40 tokens.
std::shared_ptr<const IndexedDataset> UnevenDocuments(const std::filesystem::path& folder,
                                                      int64_t vocab_size);

// What one step left behind on one rank, as f64.
struct StepState {
  StepResult result;
  std::map<std::string, std::vector<double>> gradients;  // over all ranks, before clipping
  std::map<std::string, std::vector<double>> weights;
};

// A device for one rank; the ranks of a process share `pool`.
std::unique_ptr<Device> OpenTestDevice(const std::shared_ptr<cpu::ThreadPool>& pool,
                                       CpuStreams streams = CpuStreams::kInline,
                                       DeviceKind kind = DeviceKind::kCpu,
                                       int64_t memory_bytes = int64_t{256} << 20);

// This rank's part of steps 0, 1, …, num_steps - 1.
std::vector<StepState> TrainSteps(const RunConfig& config,
                                  const std::shared_ptr<const IndexedDataset>& data, Device& device,
                                  Communicator& world, int num_steps);

// The same with all ranks as threads; the states of rank 0, after checking that all ranks have the
// same.
std::vector<StepState> TrainStepsLocally(const RunConfig& config,
                                         const std::shared_ptr<const IndexedDataset>& data,
                                         int num_ranks, int num_steps,
                                         CpuStreams streams = CpuStreams::kInline,
                                         int num_threads = 2);

// Device memory as f64.
std::vector<double> ReadTensor(const ConstTensorView& tensor, Stream& stream);

double Norm(const std::vector<double>& values);
double Distance(const std::vector<double>& a, const std::vector<double>& b);
// Root of the sum of squares over all tensors.
double GlobalNorm(const std::map<std::string, std::vector<double>>& tensors);

// ‖a − b‖ ≤ bound · max(‖b‖, 1e-6 · N) for each tensor, N the norm of all of b; names the first
// that breaks it.
void ExpectTensorsNear(const std::map<std::string, std::vector<double>>& a,
                       const std::map<std::string, std::vector<double>>& b, double bound,
                       const std::string& what);
// Equal bits everywhere.
void ExpectSameBits(const std::vector<StepState>& a, const std::vector<StepState>& b,
                    const std::string& what);

}  // namespace cadmus
