// SPDX-License-Identifier: Apache-2.0
#include "tests/runtime/parallel/data/toy_rank.h"

#include "kernels/base/philox.h"
#include "kernels/ops/dropout.h"
#include "kernels/ops/reduce.h"

namespace cadmus {
namespace {

PhiloxWords Draw(const Contribution& c) {
  const PhiloxKey key = DeriveKey(static_cast<uint64_t>(c.step), 0, SiteOf(c.parameter->name));
  return Philox(key, {static_cast<uint32_t>(c.rank), static_cast<uint32_t>(c.micro_batch),
                      static_cast<uint32_t>(c.use), static_cast<uint32_t>(c.element)});
}

// y = x + sum, or x.
void Add(const TensorView& y, const TensorView& x, const TensorView& sum, Stream& stream) {
  const Shape row = {1, x.num_elements()};
  DropoutArgs args;
  args.x_TD = x.Reshape(row);
  if (sum) args.residual_TD = sum.Reshape(row);
  args.y_TD = y.Reshape(row);
  Dropout(args, stream);
}

std::unique_ptr<Communicator> GroupOf(Communicator& world, const std::string& name,
                                      const std::function<bool(int rank)>& is_member) {
  std::vector<int> members;
  for (int rank = 0; rank < world.size(); ++rank) {
    if (is_member(rank)) members.push_back(rank);
  }
  return world.MakeGroup(members, name);
}

}  // namespace

double SmallInteger(const Contribution& contribution) {
  return static_cast<double>(Draw(contribution)[0] % 17) - 8;
}

double AnyReal(const Contribution& contribution) {
  return NormalPairFromWords(Draw(contribution)[0], Draw(contribution)[1])[0];
}

ToyModel AwkwardModel() {
  ToyModel model;
  const auto add = [&](const char* name, const Shape& shape, int num_uses) {
    Parameter parameter;
    parameter.name = name;
    parameter.shape = shape;
    parameter.initial = {.kind = InitialValue::Kind::kNormal, .value = 1};
    parameter.num_uses = num_uses;
    parameter.norm_slot = static_cast<int>(model.parameters.size());
    model.parameters.push_back(parameter);
  };
  add("table", {7, 3}, 2);
  add("norm", {5}, 1);
  add("matrix", {6, 11}, 1);
  add("one", {1}, 1);
  add("even", {4, 6}, 1);
  model.chunks.resize(1);
  for (Parameter& parameter : model.parameters) model.chunks[0].push_back(&parameter);
  return model;
}

ToyRank::ToyRank(Bootstrap& bootstrap, const ToyLayout& layout,
                 const std::function<ToyModel(Communicator& same_place)>& make_model)
    : rank_(bootstrap.rank()), grid_(bootstrap.rank() / layout.ranks_per_grid()) {
  DeviceOptions options;
  options.kind = layout.device;
  options.memory_bytes = int64_t{8} << 20;
  if (layout.device == DeviceKind::kCpu) options.pool = MakeThreadPool(1);
  options.cpu_streams = layout.streams;
  device_ = OpenDevice(options);
  world_ = bootstrap.Connect(*device_, {.workspace_bytes = int64_t{64} << 10});
  const int per_grid = layout.ranks_per_grid();
  const int place = rank_ % per_grid;
  shard_ = GroupOf(*world_, "dp_shard", [&](int rank) {
    return rank / per_grid == grid_ && rank % per_grid / layout.dp_shard == place / layout.dp_shard;
  });
  replicate_ = GroupOf(*world_, "dp_replicate", [&](int rank) {
    return rank / per_grid == grid_ && rank % layout.dp_shard == place % layout.dp_shard;
  });
  same_place_ = GroupOf(*world_, "same place", [&](int rank) { return rank % per_grid == place; });
  compute_ = device_->NewStream(StreamKind::kCompute, "compute");
  communication_ = device_->NewStream(StreamKind::kCommunication, "communication");
  model_ = make_model(*same_place_);
  data_ =
      std::make_unique<DataParallel>(model_.chunks, Precision::All(DType::kF64),
                                     DataParallelGroups{.shard = *shard_, .replicate = *replicate_},
                                     *compute_, *communication_, layout.options);
  data_->Initialize(3);
  const auto num_slots = static_cast<int64_t>(model_.parameters.size());
  norms_ = Tensor(DType::kF64, {num_slots}, MemoryCategory::kWorkspace, *compute_);
  use_sum_ = Tensor(DType::kF64, {1}, MemoryCategory::kWorkspace, *compute_);
  use_workspace_ = Tensor(DType::kU8, {4096}, MemoryCategory::kWorkspace, *compute_);
}

TensorView ToyRank::Upload(std::vector<double> values) {
  staged_.push_back(std::move(values));
  const Shape shape = {static_cast<int64_t>(staged_.back().size())};
  uploaded_.emplace_back(DType::kF64, shape, MemoryCategory::kWorkspace, *compute_);
  device_->CopyToDevice(uploaded_.back(),
                        ConstTensorView(staged_.back().data(), DType::kF64, shape), *compute_);
  return uploaded_.back();
}

TensorView ToyRank::UploadContribution(const Parameter& parameter, const Contribution& contribution,
                                       const Gradients& gradients) {
  Contribution element = contribution;
  element.rank = rank_;
  element.parameter = &parameter;
  std::vector<double> values(static_cast<size_t>(parameter.LocalShape().num_elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    element.element = static_cast<int64_t>(i);
    values[i] = gradients(element);
  }
  return Upload(std::move(values));
}

void ToyRank::Add(Parameter& parameter, int chunk, const TensorView& contribution) {
  const GradMode mode = data_->sink(chunk).Begin(parameter);
  const TensorView before = mode == GradMode::kAccumulate ? parameter.grad : TensorView();
  cadmus::Add(parameter.grad, contribution, before, *compute_);
  data_->sink(chunk).End(parameter);
}

void ToyRank::Contribute(Parameter& parameter, int chunk, const Contribution& contribution,
                         const Gradients& gradients) {
  Add(parameter, chunk, UploadContribution(parameter, contribution, gradients));
}

void ToyRank::Use(Parameter& parameter) {
  Sum({.x_N = parameter.weight.Reshape({parameter.weight.num_elements()}),
       .out = use_sum_,
       .mode = GradMode::kOverwrite,
       .workspace = use_workspace_},
      *compute_);
}

template <class Body>
void ToyRank::ForEachPass(int num_micro_batches, const Body& body) {
  for (int micro_batch = 0; micro_batch < num_micro_batches; ++micro_batch) {
    for (size_t chunk = model_.chunks.size(); chunk-- > 0;) {
      for (size_t i = model_.chunks[chunk].size(); i-- > 0;)
        body(*model_.chunks[chunk][i], chunk, i, micro_batch);
    }
  }
}

void ToyRank::PrepareStep(int step, int num_micro_batches, const Gradients& gradients) {
  contributions_.clear();
  ForEachPass(num_micro_batches, [&](Parameter& parameter, size_t, size_t, int micro_batch) {
    for (int use = 0; use < parameter.num_uses; ++use) {
      contributions_.push_back(UploadContribution(
          parameter, {.step = step, .micro_batch = micro_batch, .use = use}, gradients));
    }
  });
}

void ToyRank::RunStep(int num_micro_batches) {
  data_->BeginStep(num_micro_batches);
  auto contribution = contributions_.begin();
  ForEachPass(num_micro_batches, [&](Parameter& parameter, size_t chunk, size_t i, int) {
    const auto module = [&](size_t index) { return std::span(&model_.chunks[chunk][index], 1); };
    if (i + 1 == model_.chunks[chunk].size()) data_->FetchParameters(module(i));
    if (i > 0) data_->FetchParameters(module(i - 1));
    data_->AwaitParameters(module(i));
    Use(parameter);
    data_->ReleaseParameters(module(i));
    for (int use = 0; use < parameter.num_uses; ++use)
      Add(parameter, static_cast<int>(chunk), *contribution++);
  });
  for (size_t chunk = 0; chunk < model_.chunks.size(); ++chunk)
    data_->ReduceGradients(static_cast<int>(chunk));
  data_->TieReduce();
  data_->SquaredNorms(norms_);
  Update();
  data_->GatherWeights();
}

void ToyRank::EndStep() {
  compute_->Synchronize(device_->wait_limit());
  uploaded_.clear();
  staged_.clear();
}

void ToyRank::Update() {
  for (const ParameterShard& shard : data_->shards()) {
    if (shard.range.extent > 0)
      cadmus::Add(shard.weight_N, shard.grad_N, shard.weight_N, *compute_);
  }
}

std::vector<double> ToyRank::Read(const ConstTensorView& tensor) {
  std::vector<double> values(static_cast<size_t>(tensor.num_elements()));
  device_->CopyToHost(TensorView(values.data(), DType::kF64, tensor.shape()), tensor, *compute_);
  compute_->Synchronize(device_->wait_limit());
  return values;
}

std::vector<double> ToyRank::SquaredNorms() {
  world_->AllReduce({.buffer = norms_, .site = "norms"}, *compute_);
  std::vector<double> norms = Read(norms_.view());
  for (double& norm : norms) norm /= replicate_->size();
  return norms;
}

std::vector<double> ToyRank::GatherShards(const Parameter& parameter, const TensorView& shard_N) {
  const FlatSplit split(parameter.LocalShape().num_elements(), shard_->size());
  std::vector<double> padded = Read(shard_N);
  padded.resize(static_cast<size_t>(split.shard_elements()));
  const TensorView part = Upload(std::move(padded));
  const TensorView all =
      Upload(std::vector<double>(static_cast<size_t>(split.shard_elements() * shard_->size())));
  shard_->AllGather({.input = part, .output = all, .site = "test"}, *compute_);
  std::vector<double> values = Read(all);
  values.resize(static_cast<size_t>(parameter.LocalShape().num_elements()));
  return values;
}

std::vector<double> ToyRank::Gradient(const Parameter& parameter) {
  for (const ParameterShard& shard : data_->shards()) {
    if (shard.parameter == &parameter) return GatherShards(parameter, shard.grad_N);
  }
  CADMUS_UNREACHABLE(parameter.name);
}

std::vector<double> ToyRank::Weight(const Parameter& parameter) {
  Parameter* const fetched[] = {const_cast<Parameter*>(&parameter)};
  data_->FetchParameters(fetched);
  data_->AwaitParameters(fetched);
  std::vector<double> values = Read(parameter.weight);
  data_->ReleaseParameters(fetched);
  return values;
}

}  // namespace cadmus
