// SPDX-License-Identifier: Apache-2.0
// AdamW over several parameters: which are decayed, what its state is; the formula is tested in
// kernels/ops.
#include "runtime/optim/adamw.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include "kernels/base/error.h"
#include "kernels/open_device.h"
#include "kernels/ops/step_scalars.h"
#include "runtime/nn/initial_values.h"

namespace cadmus {
namespace {

class AdamWOptimizerTest : public testing::Test {
 protected:
  AdamWOptimizerTest()
      : device_(OpenDevice({.memory_bytes = int64_t{1} << 20, .pool = MakeThreadPool(1)})),
        stream_(device_->NewStream(StreamKind::kCompute, "compute")) {}

  Tensor Filled(const Shape& shape, double value) {
    Tensor tensor(DType::kF64, shape, MemoryCategory::kWeights, *stream_);
    const std::vector<double> values(static_cast<size_t>(shape.num_elements()), value);
    device_->CopyToDevice(tensor, ConstTensorView(values.data(), DType::kF64, shape), *stream_);
    stream_->Synchronize(device_->wait_limit());
    return tensor;
  }
  double First(const TensorView& tensor) {
    std::vector<double> values(static_cast<size_t>(tensor.num_elements()));
    device_->CopyToHost(TensorView(values.data(), DType::kF64, tensor.shape()), tensor, *stream_);
    stream_->Synchronize(device_->wait_limit());
    return values[0];
  }

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
};

TEST_F(AdamWOptimizerTest, OnlyParametersThatSaySoAreDecayed) {
  const Tensor weight = Filled({6}, 1), norm = Filled({3}, 1);
  const Tensor no_gradient = Filled({6}, 0);
  Parameter matrix = {.name = "w", .shape = {2, 3}};
  Parameter scale = {.name = "norm", .shape = {3}, .weight_decay = false};
  Parameter elsewhere = {.name = "elsewhere", .shape = {1}};
  AdamWOptimizer optimizer({{.parameter = &matrix,
                             .range = {.offset = 0, .extent = 6},
                             .weight_N = weight,
                             .grad_N = no_gradient},
                            {.parameter = &scale,
                             .range = {.offset = 0, .extent = 3},
                             .weight_N = norm,
                             .grad_N = no_gradient.view().Slice(0, 0, 3)},
                            {.parameter = &elsewhere, .range = {.offset = 1, .extent = 0}}},
                           {.weight_decay = 0.5}, Precision::All(DType::kF64), *stream_);
  const StepScalars values = {.learning_rate = 0.1, .step = 1};
  const Tensor scalars(DType::kU8, {kStepScalarsBytes}, MemoryCategory::kWorkspace, *stream_);
  device_->CopyToDevice(scalars, ConstTensorView(&values, DType::kU8, {kStepScalarsBytes}),
                        *stream_);
  optimizer.Step(scalars, *stream_);
  EXPECT_DOUBLE_EQ(First(weight), 0.95);  // 1 - 0.1 · 0.5
  EXPECT_EQ(First(norm), 1);
}

TEST_F(AdamWOptimizerTest, StateIsTwoMomentsPerShardThatStartAtZero) {
  Parameter a = {.name = "a", .shape = {2, 3}}, b = {.name = "b", .shape = {5}};
  const AdamWOptimizer optimizer({{.parameter = &a, .range = {.offset = 3, .extent = 3}},
                                  {.parameter = &b, .range = {.offset = 0, .extent = 5}}},
                                 {}, Precision::All(DType::kF64), *stream_);
  std::vector<std::string> entries;
  for (const StateEntry& entry : optimizer.StateEntries()) {
    entries.push_back(StrCat(entry.name, " of ", entry.global_shape.ToString(), " ",
                             entry.offset.ToString(), " + ", entry.local.shape().ToString()));
    EXPECT_EQ(First(entry.local), 0);
    EXPECT_TRUE(entry.is_writer);
  }
  EXPECT_EQ(entries, (std::vector<std::string>{"optimizer.m.a of [2, 3] [1, 0] + [1, 3]",
                                               "optimizer.v.a of [2, 3] [1, 0] + [1, 3]",
                                               "optimizer.m.b of [5] [0] + [5]",
                                               "optimizer.v.b of [5] [0] + [5]"}));
  EXPECT_EQ(
      device_->allocator().stats().current_bytes[static_cast<size_t>(MemoryCategory::kOptimizer)],
      4 * Allocator::kAlignment);
}

TEST_F(AdamWOptimizerTest, MastersThatItKeepsAreStateAndRoundToTheWeights) {
  Parameter a = {.name = "a", .shape = {2, 3}, .initial = {InitialValue::Kind::kNormal, 1}};
  const FlatRange range = {.offset = 3, .extent = 3};
  const Tensor weight(DType::kBF16, {3}, MemoryCategory::kWeights, *stream_);
  const Tensor grad(DType::kF32, {3}, MemoryCategory::kGradients, *stream_);
  device_->FillZero(grad, *stream_);
  AdamWOptimizer optimizer({{.parameter = &a, .range = range, .weight_N = weight, .grad_N = grad}},
                           {.weight_decay = 0}, Precision::Bf16(), *stream_);
  optimizer.Initialize(7, *stream_);
  std::vector<double> initial(3);
  FillInitialValues(a, 7, 3, 3, initial.data());

  const std::vector<StateEntry> entries = optimizer.StateEntries();
  ASSERT_EQ(entries.size(), 3u);
  const StateEntry& master = entries[2];
  EXPECT_EQ(master.name, "a");
  EXPECT_EQ(master.offset, (Shape{1, 0}));
  EXPECT_TRUE(master.is_writer);
  StepScalars host_scalars = {.learning_rate = 0.5, .clip_factor = 1, .step = 1};
  const Tensor scalars(DType::kU8, {kStepScalarsBytes}, MemoryCategory::kWorkspace, *stream_);
  device_->CopyToDevice(scalars, ConstTensorView(&host_scalars, DType::kU8, {kStepScalarsBytes}),
                        *stream_);
  optimizer.Step(scalars, *stream_);
  stream_->Synchronize(device_->wait_limit());
  const auto* const masters = master.local.data<float>();
  const auto* const weights = weight.view().data<BFloat16>();
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(masters[i], static_cast<float>(initial[i]));
    EXPECT_EQ(weights[i].bits(), BFloat16(masters[i]).bits());
  }
}

TEST_F(AdamWOptimizerTest, MastersOfAnotherDtypeThanTheMomentsAreRefused) {
  Precision precision = Precision::All(DType::kF32);
  precision.master = DType::kF64;
  EXPECT_THROW(AdamWOptimizer({}, {}, precision, *stream_), Error);
}

}  // namespace
}  // namespace cadmus
