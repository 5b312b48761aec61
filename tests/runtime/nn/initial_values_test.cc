// SPDX-License-Identifier: Apache-2.0
// First weights depend on seed, name and global element alone, and have the distribution asked for.
#include "runtime/nn/initial_values.h"

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include "kernels/device/tensor.h"
#include "kernels/open_device.h"
#include "tests/runtime/nn/normal_parameter.h"

namespace cadmus {
namespace {

std::vector<double> InitialValues(const Parameter& parameter, uint64_t seed, int64_t begin,
                                  int64_t count) {
  std::vector<double> values(static_cast<size_t>(count));
  FillInitialValues(parameter, seed, begin, count, values.data());
  return values;
}

TEST(FillInitialValues, AnyPieceEqualsThatPieceOfTheWhole) {
  const Parameter parameter = NormalParameter("blocks.0.mlp.down.weight", {17, 13}, 0.02);
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
  const std::vector<double> values = InitialValues(NormalParameter("a", {8}, 1), 5, 0, 8);
  EXPECT_NE(InitialValues(NormalParameter("b", {8}, 1), 5, 0, 8), values);
  EXPECT_NE(InitialValues(NormalParameter("a", {8}, 1), 6, 0, 8), values);
  EXPECT_EQ(InitialValues(NormalParameter("a", {2, 4}, 1), 5, 0, 8), values);
}

TEST(FillInitialValues, MomentsAreThoseOfTheNormalDistribution) {
  constexpr int64_t kCount = 200000;
  constexpr double kDeviation = 0.02;
  const std::vector<double> values =
      InitialValues(NormalParameter("table", {kCount}, kDeviation), 1, 0, kCount);
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

TEST(WriteInitialValues, ArePlacedByGlobalElementAndPaddingIsZero) {
  Parameter parameter = NormalParameter("w", {6, 5}, 0.5);
  parameter.local_shape = {4, 5};
  parameter.slices = {{.global_offset = {0, 0}, .local_offset = {2, 0}, .extent = {1, 5}},
                      {.global_offset = {3, 0}, .local_offset = {0, 0}, .extent = {2, 5}}};
  const std::vector<double> global = InitialValues(parameter, 9, 0, 30);
  std::vector<double> local(global.begin() + 15, global.begin() + 25);
  local.insert(local.end(), global.begin(), global.begin() + 5);
  local.resize(20, 0);

  const auto device = OpenDevice({.memory_bytes = int64_t{1} << 20, .pool = MakeThreadPool(1)});
  const auto stream = device->NewStream(StreamKind::kCompute, "compute");
  for (int64_t begin = 0; begin <= 20; ++begin) {
    const int64_t count = (20 - begin + 1) / 2;
    const Tensor weight(DType::kF64, {count}, MemoryCategory::kWeights, *stream);
    WriteInitialValues(parameter, 9, {.offset = begin, .extent = count}, weight, *stream);
    std::vector<double> read(static_cast<size_t>(count));
    device->CopyToHost(TensorView(read.data(), DType::kF64, {count}), weight, *stream);
    stream->Synchronize(device->wait_limit());
    EXPECT_EQ(read, std::vector<double>(local.begin() + begin, local.begin() + begin + count));
  }
}

}  // namespace
}  // namespace cadmus
