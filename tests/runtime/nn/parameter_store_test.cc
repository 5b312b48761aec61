// SPDX-License-Identifier: Apache-2.0
// First weights depend on seed, name and global element alone, and have the distribution asked for.
#include "runtime/nn/parameter_store.h"

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include "kernels/base/error.h"
#include "kernels/open_device.h"

namespace cadmus {
namespace {

Parameter Normal(const std::string& name, const Shape& shape, double deviation) {
  return {.name = name,
          .shape = shape,
          .initial = {.kind = InitialValue::Kind::kNormal, .value = deviation}};
}

std::vector<double> InitialValues(const Parameter& parameter, uint64_t seed, int64_t begin,
                                  int64_t count) {
  std::vector<double> values(static_cast<size_t>(count));
  FillInitialValues(parameter, seed, begin, count, values.data());
  return values;
}

class ParameterStoreTest : public testing::Test {
 protected:
  ParameterStoreTest()
      : device_(OpenDevice({.memory_bytes = int64_t{1} << 20, .pool = MakeThreadPool(1)})),
        stream_(device_->NewStream(StreamKind::kCompute, "compute")) {}

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
};

TEST(FillInitialValues, AnyPieceEqualsThatPieceOfTheWhole) {
  const Parameter parameter = Normal("blocks.0.mlp.down.weight", {17, 13}, 0.02);
  const std::vector<double> whole = InitialValues(parameter, 5, 0, 221);
  for (const int64_t begin : {0, 1, 2, 3, 4, 5, 100, 220}) {
    for (const int64_t count : {0, 1, 2, 3, 7, 121}) {
      if (begin + count > 221) continue;
      const std::vector<double> piece = InitialValues(parameter, 5, begin, count);
      EXPECT_EQ(piece, std::vector<double>(whole.begin() + begin, whole.begin() + begin + count))
          << begin << " + " << count;
    }
  }
}

TEST(FillInitialValues, NameAndSeedDecideAndTheShapeDoesNot) {
  const std::vector<double> values = InitialValues(Normal("a", {8}, 1), 5, 0, 8);
  EXPECT_NE(InitialValues(Normal("b", {8}, 1), 5, 0, 8), values);
  EXPECT_NE(InitialValues(Normal("a", {8}, 1), 6, 0, 8), values);
  EXPECT_EQ(InitialValues(Normal("a", {2, 4}, 1), 5, 0, 8), values);
}

TEST(FillInitialValues, MomentsAreThoseOfTheNormalDistribution) {
  constexpr int64_t kCount = 200000;
  constexpr double kDeviation = 0.02;
  const std::vector<double> values =
      InitialValues(Normal("table", {kCount}, kDeviation), 1, 0, kCount);
  double moments[5] = {};
  for (double value : values) {
    double power = 1;
    for (double& moment : moments) {
      moment += power / static_cast<double>(kCount);
      power *= value / kDeviation;
    }
  }
  const double n = static_cast<double>(kCount);
  EXPECT_NEAR(moments[1], 0, 4 / std::sqrt(n));
  EXPECT_NEAR(moments[2], 1, 4 * std::sqrt(2 / n));
  EXPECT_NEAR(moments[3], 0, 4 * std::sqrt(15 / n));
  EXPECT_NEAR(moments[4], 3, 4 * std::sqrt(96 / n));
}

TEST_F(ParameterStoreTest, WritesTheFirstValuesInTheDtypeOfTheParameters) {
  Parameter normal = Normal("w", {3, 5}, 0.5);
  Parameter constant = {.name = "norm", .shape = {7}, .initial = {.value = 1}};
  ParameterStore store({&normal, &constant}, Precision::All(DType::kF32), *stream_);
  store.Initialize(9, *stream_);
  EXPECT_EQ(store.num_elements(), 22);
  std::vector<float> read(15);
  device_->CopyToHost(TensorView(read.data(), DType::kF32, {3, 5}), normal.weight, *stream_);
  stream_->Synchronize(device_->wait_limit());
  const std::vector<double> expected = InitialValues(normal, 9, 0, 15);
  for (size_t i = 0; i < read.size(); ++i) EXPECT_EQ(read[i], static_cast<float>(expected[i]));
  device_->CopyToHost(TensorView(read.data(), DType::kF32, {7}), constant.weight, *stream_);
  stream_->Synchronize(device_->wait_limit());
  for (size_t i = 0; i < 7; ++i) EXPECT_EQ(read[i], 1.0f);
}

TEST_F(ParameterStoreTest, StateEntriesAreTheWholeParametersByName) {
  Parameter a = Normal("a", {3, 5}, 1), b = Normal("b", {2}, 1);
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
  Parameter a = Normal("same", {3}, 1), b = Normal("same", {2}, 1);
  EXPECT_THROW(ParameterStore({&a, &b}, Precision::All(DType::kF64), *stream_), Error);
}

}  // namespace
}  // namespace cadmus
