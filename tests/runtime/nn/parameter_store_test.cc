// SPDX-License-Identifier: Apache-2.0
// What the store gives parameters, and what checkpoints see of it.
#include "runtime/nn/parameter_store.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include "kernels/base/error.h"
#include "kernels/open_device.h"
#include "runtime/nn/initial_values.h"
#include "tests/runtime/nn/normal_parameter.h"

namespace cadmus {
namespace {

class ParameterStoreTest : public testing::Test {
 protected:
  ParameterStoreTest()
      : device_(OpenDevice({.memory_bytes = int64_t{1} << 20, .pool = MakeThreadPool(1)})),
        stream_(device_->NewStream(StreamKind::kCompute, "compute")) {}

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
};

TEST_F(ParameterStoreTest, WritesTheFirstValuesInTheDtypeOfTheParameters) {
  Parameter normal = NormalParameter("w", {3, 5}, 0.5);
  Parameter constant = {.name = "norm", .shape = {7}, .initial = {.value = 1}};
  ParameterStore store({&normal, &constant}, Precision::All(DType::kF32), *stream_);
  store.Initialize(9, *stream_);
  EXPECT_EQ(store.num_elements(), 22);
  std::vector<float> read(15);
  device_->CopyToHost(TensorView(read.data(), DType::kF32, {3, 5}), normal.weight, *stream_);
  stream_->Synchronize(device_->wait_limit());
  std::vector<double> expected(15);
  FillInitialValues(normal, 9, 0, 15, expected.data());
  for (size_t i = 0; i < read.size(); ++i) EXPECT_EQ(read[i], static_cast<float>(expected[i]));
  device_->CopyToHost(TensorView(read.data(), DType::kF32, {7}), constant.weight, *stream_);
  stream_->Synchronize(device_->wait_limit());
  for (size_t i = 0; i < 7; ++i) EXPECT_EQ(read[i], 1.0f);
}

TEST_F(ParameterStoreTest, StateEntriesAreTheWholeParametersByName) {
  Parameter a = NormalParameter("a", {3, 5}, 1), b = NormalParameter("b", {2}, 1);
  const ParameterStore store({&a, &b}, Precision::All(DType::kF64), *stream_);
  const std::vector<StateEntry> entries = store.StateEntries();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].name, "a");
  EXPECT_EQ(entries[0].global_shape, Shape({3, 5}));
  EXPECT_EQ(entries[0].offset, Shape({0, 0}));
  EXPECT_EQ(entries[0].local.raw(), a.weight.raw());
  EXPECT_EQ(entries[1].name, "b");
}

TEST_F(ParameterStoreTest, TwoParametersOfOneNameAreRefused) {
  Parameter a = NormalParameter("same", {3}, 1), b = NormalParameter("same", {2}, 1);
  EXPECT_THROW(ParameterStore({&a, &b}, Precision::All(DType::kF64), *stream_), Error);
}

}  // namespace
}  // namespace cadmus
