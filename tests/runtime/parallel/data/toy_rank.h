// SPDX-License-Identifier: Apache-2.0
// ToyRank: one rank of a dp_replicate × dp_shard grid that trains parameters without a model: every
// contribution to a gradient is given, the optimizer adds the gradient to the weight.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "collectives/communicator/bootstrap.h"
#include "kernels/open_device.h"
#include "runtime/parallel/data/data_parallel.h"

namespace cadmus {

// The value of one element of one contribution.
struct Contribution {
  int rank = 0;  // of the world
  int step = 0;
  int micro_batch = 0;
  int use = 0;
  int64_t element = 0;  // of the local tensor
  const Parameter* parameter = nullptr;
};
using Gradients = std::function<double(const Contribution&)>;

// Integers in [-8, 8]: all their sums are exact.
double SmallInteger(const Contribution& contribution);
// Sums depend on their order.
double AnyReal(const Contribution& contribution);

struct ToyLayout {
  int dp_replicate = 1, dp_shard = 1;
  DataParallelOptions options = {};
  // The world has this many grids, one after the other.
  int num_grids = 1;
  CpuStreams streams = CpuStreams::kInline;
  DeviceKind device = DeviceKind::kCpu;

  int ranks_per_grid() const { return dp_replicate * dp_shard; }
  int num_ranks() const { return num_grids * ranks_per_grid(); }
};

// A model's chunks, on one rank.
struct ToyModel {
  std::list<Parameter> parameters;
  std::vector<std::vector<Parameter*>> chunks;
};
// One chunk of parameters of awkward sizes: "table" is used twice per micro-batch, "one" has fewer
// elements than there are ranks.
ToyModel AwkwardModel();

class ToyRank {
 public:
  // `make_model` is given the communicator of the ranks that have this one's place in the other
  // grids.
  ToyRank(Bootstrap& bootstrap, const ToyLayout& layout,
          const std::function<ToyModel(Communicator& same_place)>& make_model);
  ToyRank(Bootstrap& bootstrap, const ToyLayout& layout)
      : ToyRank(bootstrap, layout, [](Communicator&) { return AwkwardModel(); }) {}

  DataParallel& data() { return *data_; }
  ToyModel& model() { return model_; }
  Device& device() { return *device_; }
  Stream& compute() { return *compute_; }
  Communicator& world() { return *world_; }
  int grid() const { return grid_; }

  // One step, its modules being single parameters: forward, then per micro-batch backward, chunk by
  // chunk; the parameter behind is fetched before a pass begins.
  void Step(int step, int num_micro_batches, const Gradients& gradients) {
    PrepareStep(step, num_micro_batches, gradients);
    RunStep(num_micro_batches);
    EndStep();
  }
  // Its parts: all contributions are uploaded; what training would do; all of it is done.
  void PrepareStep(int step, int num_micro_batches, const Gradients& gradients);
  void RunStep(int num_micro_batches);
  void EndStep();
  // A contribution by itself.
  void Contribute(Parameter& parameter, int chunk, const Contribution& contribution,
                  const Gradients& gradients);

  // Of the step before, summed over this rank's world: what one rank would have.
  std::vector<double> SquaredNorms();
  // Whole local tensors, put together over dp_shard.
  std::vector<double> Gradient(const Parameter& parameter);
  std::vector<double> Weight(const Parameter& parameter);
  std::vector<double> Read(const ConstTensorView& tensor);
  TensorView Upload(std::vector<double> values);

 private:
  std::vector<double> GatherShards(const Parameter& parameter, const TensorView& shard_N);
  // Calls body(parameter, chunk, index in the chunk, micro-batch) in the order of backward.
  template <class Body>
  void ForEachPass(int num_micro_batches, const Body& body);
  TensorView UploadContribution(const Parameter& parameter, const Contribution& contribution,
                                const Gradients& gradients);
  void Add(Parameter& parameter, int chunk, const TensorView& contribution);
  void Use(Parameter& parameter);
  void Update();

  std::unique_ptr<Device> device_;
  std::unique_ptr<Communicator> world_, shard_, replicate_, same_place_;
  std::unique_ptr<Stream> compute_, communication_;
  int rank_, grid_;
  ToyModel model_;
  std::unique_ptr<DataParallel> data_;
  Tensor norms_, use_sum_, use_workspace_;
  std::list<std::vector<double>> staged_;  // what uploads under way read
  std::list<Tensor> uploaded_;
  std::vector<TensorView> contributions_;  // of the step, in the order of backward
};

}  // namespace cadmus
