// SPDX-License-Identifier: Apache-2.0
#include "tests/models/layers/block_ranks.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <list>
#include <memory>
#include <random>
#include <set>
#include <utility>

#include <gtest/gtest.h>
#include "collectives/local/local_world.h"
#include "kernels/base/philox.h"
#include "kernels/open_device.h"
#include "models/decoder/placement.h"
#include "models/layers/transformer_block.h"

namespace cadmus {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

std::vector<double> Normals(int64_t count, const std::string& name, double deviation) {
  std::mt19937_64 random(SiteOf(name));
  std::normal_distribution<double> normal(0, deviation);
  std::vector<double> values(static_cast<size_t>(count));
  for (double& value : values) value = normal(random);
  return values;
}

// Calls visit(global, local) for each element that this rank holds of a vector or matrix.
void ForEachElement(const Parameter& parameter, const std::function<void(size_t, size_t)>& visit) {
  std::vector<PlacedSlice> slices = parameter.slices;
  if (slices.empty()) {
    Shape origin = parameter.shape;
    for (int dim = 0; dim < origin.num_dims(); ++dim) origin[dim] = 0;
    slices = {{.global_offset = origin, .local_offset = origin, .extent = parameter.shape}};
  }
  const auto columns = [](const Shape& shape) { return shape.num_dims() == 2 ? shape[1] : 1; };
  const auto first_column = [](const Shape& offset) {
    return offset.num_dims() == 2 ? offset[1] : 0;
  };
  for (const PlacedSlice& slice : slices) {
    for (int64_t row = 0; row < slice.extent[0]; ++row) {
      for (int64_t column = 0; column < columns(slice.extent); ++column) {
        const int64_t global = (slice.global_offset[0] + row) * columns(parameter.shape) +
                               first_column(slice.global_offset) + column;
        const int64_t local = (slice.local_offset[0] + row) * columns(parameter.LocalShape()) +
                              first_column(slice.local_offset) + column;
        visit(static_cast<size_t>(global), static_cast<size_t>(local));
      }
    }
  }
}

// Gradients as the data-parallel code keeps them for one micro-batch.
class OneMicroBatch final : public GradientSink {
 public:
  GradMode Begin(Parameter& parameter) override {
    EXPECT_TRUE(begun_.insert(&parameter).second) << parameter.name << " twice";
    return GradMode::kOverwrite;
  }
  void End(Parameter&) override {}

  size_t num_begun() const { return begun_.size(); }

 private:
  std::set<const Parameter*> begun_;
};

class BlockRank {
 public:
  BlockRank(Bootstrap& bootstrap, const BlockCase& block_case, const BlockLayout& layout)
      : case_(block_case),
        shape_(block_case.Shape()),
        device_(OpenDevice({.memory_bytes = int64_t{16} << 20, .pool = MakeThreadPool(1)})),
        stream_(device_->NewStream(StreamKind::kCompute, "compute")),
        world_(bootstrap.Connect(*device_, {.workspace_bytes = 1 << 14})),
        kv_replicas_(MakeKvReplicas(layout.tp)),
        parallel_(*world_, kv_replicas_.get(), layout.options),
        rope_({.theta = 10000, .head_dim = shape_.head_dim}, shape_.max_positions, DType::kF64,
              *stream_),
        block_(3, BlockSpec(shape_), shape_.positions == Positions::kRope ? &rope_ : nullptr,
               parallel_),
        saved_(block_.NewSaved()) {
    block_.VisitParameters([&](Parameter& parameter) { Prepare(parameter); });
    UploadInputs();
  }

  void Forward(Mode mode, BlockOutcome& outcome) {
    const TokenRange rows = OuterRows();
    const std::vector<double> x = Normals(NumTokens() * Width(), "x", 1);
    Tensor x_TM = Upload(
        std::vector<double>(x.begin() + rows.begin * Width(), x.begin() + rows.end * Width()),
        {rows.size(), Width()});
    const int64_t bytes_before = ActivationBytes() - x_TM.view().num_bytes();
    ForwardContext context = {
        .stream = *stream_, .mode = mode, .inputs = inputs_, .scalars = scalars_};
    const Tensor y_TM = cadmus::Forward(block_, context, *saved_, std::move(x_TM));
    outcome.saved_bytes = ActivationBytes() - y_TM.view().num_bytes() - bytes_before;
    outcome.y = Rows(y_TM.view());
  }

  void Backward(BlockOutcome& outcome) {
    const TokenRange rows = OuterRows();
    const std::vector<double> dy = Normals(NumTokens() * Width(), "dy", 1);
    Tensor dy_TM = Upload(
        std::vector<double>(dy.begin() + rows.begin * Width(), dy.begin() + rows.end * Width()),
        {rows.size(), Width()});
    OneMicroBatch gradients;
    BackwardContext context = {
        .stream = *stream_, .inputs = inputs_, .scalars = scalars_, .gradients = gradients};
    const Tensor dx_TM = cadmus::BackwardInput(block_, context, *saved_, std::move(dy_TM));
    BackwardWeight(block_, context, *saved_);
    outcome.dx = Rows(dx_TM.view());
    size_t num_parameters = 0;
    block_.VisitParameters([&](Parameter&) { ++num_parameters; });
    EXPECT_EQ(gradients.num_begun(), num_parameters);
    block_.VisitParameters([&](Parameter& parameter) {
      for (const PartialRows& rows_of : parameter.partial_rows) {
        rows_of.ranks->AllReduce(
            {.buffer = parameter.grad.Slice(0, rows_of.begin, rows_of.end), .site = "partial rows"},
            *stream_);
      }
      const std::vector<double> local = Download(parameter.grad);
      std::vector<double>& global = outcome.gradients[parameter.name];
      global.assign(static_cast<size_t>(parameter.shape.num_elements()), kNothing);
      ForEachElement(parameter, [&](size_t to, size_t from) { global[to] = local[from]; });
    });
  }

  // Nothing of a pass is left behind.
  int64_t ActivationBytes() const {
    const MemoryStats& stats = device_->allocator().stats();
    return stats.current_bytes[static_cast<size_t>(MemoryCategory::kActivationsInput)] +
           stats.current_bytes[static_cast<size_t>(MemoryCategory::kActivationsWeight)];
  }

 private:
  int64_t NumTokens() const { return case_.num_rows * case_.num_positions; }
  int64_t Width() const { return shape_.hidden_size; }
  TokenRange OuterRows() const { return parallel_.OuterTokens(NumTokens()); }

  std::unique_ptr<Communicator> MakeKvReplicas(int tp) {
    const int replicas = NumKvReplicas(shape_, tp);
    if (replicas == 1) return nullptr;
    std::vector<int> members;
    for (int i = 0; i < replicas; ++i) {
      members.push_back(world_->rank() / replicas * replicas + i);
    }
    return world_->MakeGroup(members, "kv_replicas");
  }

  void Prepare(Parameter& parameter) {
    PlaceParameter(parameter, shape_, parallel_);
    const Shape& local_shape = parameter.LocalShape();
    const std::vector<double> global = Normals(parameter.shape.num_elements(), parameter.name, 0.3);
    std::vector<double> local(static_cast<size_t>(local_shape.num_elements()), kNothing);
    ForEachElement(parameter, [&](size_t from, size_t to) { local[to] = global[from]; });
    weights_.push_back(Upload(local, local_shape, MemoryCategory::kWeights));
    parameter.weight = weights_.back().view();
    weights_.push_back(Upload(local, local_shape, MemoryCategory::kGradients));
    parameter.grad = weights_.back().view();
  }

  // Rows of two documents each, samples in no order.
  void UploadInputs() {
    std::vector<int32_t> positions, documents, places;
    std::vector<int64_t> samples;
    for (int64_t row = 0; row < case_.num_rows; ++row) {
      for (int64_t place = 0; place < case_.num_positions; ++place) {
        const int64_t second_starts = 5 + row;
        const bool second = place >= second_starts;
        positions.push_back(static_cast<int32_t>(second ? place - second_starts : place));
        documents.push_back(second ? 1 : 0);
        places.push_back(static_cast<int32_t>(place));
        samples.push_back(1000 - 7 * row);
      }
    }
    const Shape batch = {case_.num_rows, case_.num_positions}, flat = {NumTokens()};
    inputs_ = {.tokens_BS = UploadInput(positions, batch),
               .positions_BS = UploadInput(positions, batch),
               .documents_BS = UploadInput(documents, batch),
               .row_samples_T = UploadInput(samples, flat),
               .row_positions_T = UploadInput(places, flat)};
    const StepScalars scalars = {.seed = 11, .step = 4};
    std::vector<uint8_t> bytes(sizeof(scalars));
    std::memcpy(bytes.data(), &scalars, sizeof(scalars));
    scalars_ = UploadInput(bytes, {kStepScalarsBytes});
  }

  template <class T>
  Tensor UploadAs(const std::vector<T>& values, const Shape& shape, MemoryCategory category) {
    Tensor tensor(DTypeOf<T>, shape, category, *stream_);
    device_->CopyToDevice(tensor, ConstTensorView(values.data(), DTypeOf<T>, shape), *stream_);
    stream_->Synchronize(device_->wait_limit());
    return tensor;
  }
  template <class T>
  ConstTensorView UploadInput(const std::vector<T>& values, const Shape& shape) {
    weights_.push_back(UploadAs(values, shape, MemoryCategory::kWorkspace));
    return weights_.back().view();
  }
  Tensor Upload(const std::vector<double>& values, const Shape& shape,
                MemoryCategory category = MemoryCategory::kActivationsInput) {
    return UploadAs(values, shape, category);
  }
  std::vector<double> Download(const ConstTensorView& view) {
    std::vector<double> values(static_cast<size_t>(view.num_elements()));
    device_->CopyToHost(TensorView(values.data(), DType::kF64, view.shape()), view, *stream_);
    stream_->Synchronize(device_->wait_limit());
    return values;
  }
  // This rank's outer rows in a whole tensor.
  std::vector<double> Rows(const ConstTensorView& outer) {
    std::vector<double> whole(static_cast<size_t>(NumTokens() * Width()), kNothing);
    const std::vector<double> rows = Download(outer);
    std::copy(rows.begin(), rows.end(), whole.begin() + OuterRows().begin * Width());
    return whole;
  }

  BlockCase case_;
  DecoderShape shape_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Communicator> world_;
  std::unique_ptr<Communicator> kv_replicas_;
  TensorParallel parallel_;
  RopeTables rope_;
  TransformerBlock block_;
  std::unique_ptr<Saved> saved_;
  std::list<Tensor> weights_;  // and gradients and inputs
  MicroBatchInputs inputs_;
  ConstTensorView scalars_;
};

// Adds what one rank has to the whole.
void Merge(const std::vector<double>& part, std::vector<double>& whole, const std::string& what) {
  if (whole.empty()) whole.assign(part.size(), kNothing);
  size_t contradictions = 0;
  for (size_t i = 0; i < part.size(); ++i) {
    if (std::isnan(part[i])) continue;
    if (!std::isnan(whole[i]) && whole[i] != part[i]) ++contradictions;
    whole[i] = part[i];
  }
  EXPECT_EQ(contradictions, 0U) << what;
}

void ExpectWhole(const std::vector<double>& whole, const std::string& what) {
  size_t missing = 0;
  for (const double value : whole) missing += std::isnan(value) ? 1 : 0;
  EXPECT_EQ(missing, 0U) << what;
}

BlockOutcome RunOnRanks(const BlockCase& block_case, const BlockLayout& layout,
                        const std::function<void(BlockRank&, BlockOutcome&)>& body) {
  std::vector<BlockOutcome> parts(static_cast<size_t>(layout.tp));
  RunLocalRanks(layout.tp, [&](Bootstrap& bootstrap) {
    BlockRank rank(bootstrap, block_case, layout);
    body(rank, parts[static_cast<size_t>(bootstrap.rank())]);
  });
  BlockOutcome whole;
  whole.saved_bytes = parts[0].saved_bytes;
  for (const BlockOutcome& part : parts) {
    Merge(part.y, whole.y, "y");
    Merge(part.dx, whole.dx, "dx");
    for (const auto& [name, gradient] : part.gradients) {
      Merge(gradient, whole.gradients[name], name);
    }
  }
  ExpectWhole(whole.y, "y");
  ExpectWhole(whole.dx, "dx");
  for (const auto& [name, gradient] : whole.gradients) ExpectWhole(gradient, name);
  return whole;
}

}  // namespace

DecoderShape BlockCase::Shape() const {
  DecoderShape shape = {.vocab_size = 1,
                        .hidden_size = 16,
                        .intermediate_size = 24,
                        .num_layers = 4,
                        .num_heads = num_heads,
                        .num_kv_heads = num_kv_heads,
                        .head_dim = 4,
                        .max_positions = num_positions,
                        .norm_epsilon = 1e-5,
                        .initial_std = 0.02,
                        .dropout = dropout};
  if (family == BlockFamily::kQwen) {
    shape.qk_norm = shape.qkv_bias = true;
    shape.window = 4;
  }
  if (family == BlockFamily::kGpt2) {
    shape.norm = NormKind::kLayer;
    shape.feed_forward = FeedForward::kGelu;
    shape.positions = Positions::kLearned;
    shape.qkv_bias = shape.other_biases = true;
  }
  return shape;
}

BlockOutcome RunBlock(const BlockCase& block_case, const BlockLayout& layout) {
  return RunOnRanks(block_case, layout, [](BlockRank& rank, BlockOutcome& outcome) {
    rank.Forward(Mode::kTraining, outcome);
    rank.Backward(outcome);
    EXPECT_EQ(rank.ActivationBytes(), 0);
  });
}

BlockOutcome ForwardBlock(const BlockCase& block_case, const BlockLayout& layout, Mode mode) {
  return RunOnRanks(block_case, layout, [mode](BlockRank& rank, BlockOutcome& outcome) {
    rank.Forward(mode, outcome);
  });
}

}  // namespace cadmus
