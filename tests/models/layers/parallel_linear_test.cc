// SPDX-License-Identifier: Apache-2.0
// Products that run in parts of the tokens beside their collectives: what they may differ by from
// the products in one piece.
#include "models/layers/parallel_linear.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>
#include "kernels/ops/cast.h"
#include "runtime/parallel/tensor/boundary.h"
#include "tests/runtime/parallel/tensor/tensor_rank.h"

namespace cadmus {
namespace {

constexpr int kRanks = 2;
constexpr int64_t kTokens = 52, kInputs = 96, kOutputs = 80;

std::vector<double> Normals(int64_t count, int seed) {
  std::mt19937 random(static_cast<unsigned>(seed));
  std::normal_distribution<double> normal;
  std::vector<double> values(static_cast<size_t>(count));
  for (double& value : values) value = normal(random);
  return values;
}

// One rank's weight and layers, of a storage type.
class Layers {
 public:
  Layers(TensorRank& rank, DType dtype) : rank_(rank), dtype_(dtype) {
    Parameter& weight = parameters_.weight_NK;
    memory_ = Upload(Normals(kOutputs * kInputs, 50 + rank.parallel().index()), weight.shape);
    weight.weight = memory_.view();
  }

  Tensor Upload(const std::vector<double>& values, const Shape& shape) {
    Tensor tensor(dtype_, shape, MemoryCategory::kWorkspace, rank_.stream());
    Cast({.x = rank_.Upload(values, shape), .y = tensor.view()}, rank_.stream());
    return tensor;
  }
  std::vector<double> Download(const ConstTensorView& view) {
    const Tensor wide(DType::kF64, view.shape(), MemoryCategory::kWorkspace, rank_.stream());
    Cast({.x = view, .y = wide}, rank_.stream());
    return rank_.Download(wide.view());
  }

  // LeaveParallel(x Wᵀ), and EnterParallel(x) Wᵀ.
  std::vector<double> Leave() {
    const TensorParallel& parallel = rank_.parallel();
    RowLinear row(parameters_, parallel);
    const Tensor x = Upload(Normals(kTokens * kInputs, 10 + parallel.index()), {kTokens, kInputs});
    Tensor y = row.Forward(x.view(), rank_.stream());
    if (!parallel.overlaps()) y = LeaveParallel(parallel, std::move(y), rank_.stream());
    return Download(y.view());
  }
  std::vector<double> Enter() {
    const TensorParallel& parallel = rank_.parallel();
    ColumnLinear column(parameters_, parallel);
    const int64_t num_rows = parallel.OuterTokens(kTokens).size();
    Tensor x = Upload(Normals(num_rows * kInputs, 20 + parallel.index()), {num_rows, kInputs});
    if (!parallel.overlaps()) x = EnterParallel(parallel, std::move(x), rank_.stream());
    const Tensor y(dtype_, {kTokens, kOutputs}, MemoryCategory::kWorkspace, rank_.stream());
    column.Forward(x.view(), y.view(), rank_.stream());
    return Download(y.view());
  }

 private:
  TensorRank& rank_;
  DType dtype_;
  Tensor memory_;
  LinearParameters parameters_{"linear", {.num_inputs = kInputs, .num_outputs = kOutputs}};
};

// 2 K ε Σ |x w| for each product, of which Σ |x w| of standard normals is about 2 K / π; twice that
// is more than any here. The sum over the ranks adds one rounding of each partial product.
double Bound(DType dtype) {
  const double epsilon = dtype == DType::kF64 ? std::numeric_limits<double>::epsilon()
                                              : std::numeric_limits<float>::epsilon();
  const double largest_sum = 4 * kInputs / 3.14;
  return kRanks * (2 * kInputs + 2) * epsilon * largest_sum;
}

TEST(ParallelLinear, InPartsOfTheTokensItStaysWithinTheRoundingOfItsSums) {
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    for (const bool leaves : {false, true}) {
      std::vector<std::vector<double>> whole(kRanks);
      const auto run = [&](Layers& layers) { return leaves ? layers.Leave() : layers.Enter(); };
      OnTensorRanks(kRanks, {}, [&](TensorRank& rank) {
        Layers layers(rank, dtype);
        whole[static_cast<size_t>(rank.parallel().index())] = run(layers);
      });
      for (const int token_parts : {2, 4}) {
        OnTensorRanks(kRanks, {.token_parts = token_parts}, [&](TensorRank& rank) {
          Layers layers(rank, dtype);
          const std::vector<double> parts = run(layers);
          const auto& expected = whole[static_cast<size_t>(rank.parallel().index())];
          ASSERT_EQ(parts.size(), expected.size());
          double difference = 0;
          for (size_t i = 0; i < parts.size(); ++i) {
            difference = std::max(difference, std::abs(parts[i] - expected[i]));
          }
          EXPECT_LE(difference, Bound(dtype)) << token_parts << " parts";
        });
      }
    }
  }
}

}  // namespace
}  // namespace cadmus
