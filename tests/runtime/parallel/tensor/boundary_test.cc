// SPDX-License-Identifier: Apache-2.0
// The boundary operators: what they move, that each backward is the exact transpose of its forward,
// and that one rank pays nothing for them.
#include "runtime/parallel/tensor/boundary.h"

#include <gmock/gmock.h>

#include <numeric>
#include <ostream>
#include <random>

#include <gtest/gtest.h>
#include "kernels/base/error.h"
#include "kernels/device/trace.h"
#include "tests/runtime/parallel/tensor/tensor_rank.h"

namespace cadmus {
namespace {

constexpr int64_t kTokens = 12, kWidth = 3;

// Small whole numbers: all sums below are exact.
std::vector<double> WholeNumbers(int64_t count, int seed) {
  std::mt19937 random(static_cast<unsigned>(seed));
  std::vector<double> values(static_cast<size_t>(count));
  for (double& value : values) value = static_cast<double>(random() % 17) - 8;
  return values;
}

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

struct Layout {
  int num_ranks;
  bool sequence_parallel;

  friend std::ostream& operator<<(std::ostream& out, const Layout& layout) {
    return out << "tp " << layout.num_ranks << (layout.sequence_parallel ? ", sequence" : "");
  }
};

class BoundaryTest : public testing::TestWithParam<Layout> {
 protected:
  // Runs `forward` and `backward`, one from `inner` to `outer` tensors and one back, on every rank:
  // over all ranks <forward(a), b> = <a, backward(b)>. An outer tensor that tokens do not split is
  // one tensor, though every rank has it: it counts once.
  using Operator = Tensor (*)(const TensorParallel&, Tensor, Stream&);
  static void ExpectTransposes(Operator enter, Operator leave) {
    const auto [num_ranks, sequence_parallel] = GetParam();
    std::vector<double> outer_products(static_cast<size_t>(num_ranks));
    std::vector<double> inner_products(static_cast<size_t>(num_ranks));
    OnTensorRanks(num_ranks, {.sequence_parallel = sequence_parallel}, [&](TensorRank& rank) {
      const TensorParallel& parallel = rank.parallel();
      const TokenRange rows = parallel.OuterTokens(kTokens);
      const Shape outer_shape = {rows.size(), kWidth}, inner_shape = {kTokens, kWidth};
      const int outer_seed = parallel.splits_sequence() ? parallel.index() : 0;
      const std::vector<double> outer = WholeNumbers(rows.size() * kWidth, outer_seed);
      const std::vector<double> inner = WholeNumbers(kTokens * kWidth, 100 + parallel.index());
      const std::vector<double> entered =
          rank.Download(enter(parallel, rank.Upload(outer, outer_shape), rank.stream()).view());
      const std::vector<double> left =
          rank.Download(leave(parallel, rank.Upload(inner, inner_shape), rank.stream()).view());
      const auto index = static_cast<size_t>(parallel.index());
      inner_products[index] = Dot(entered, inner);
      if (parallel.splits_sequence() || index == 0) outer_products[index] = Dot(outer, left);
    });
    EXPECT_EQ(std::accumulate(outer_products.begin(), outer_products.end(), 0.0),
              std::accumulate(inner_products.begin(), inner_products.end(), 0.0));
    EXPECT_NE(outer_products[0], 0);
  }
};

TEST_P(BoundaryTest, EnterBackwardIsTheTransposeOfEnter) {
  ExpectTransposes(&EnterParallel, &EnterParallelBackward);
}

TEST_P(BoundaryTest, LeaveBackwardIsTheTransposeOfLeave) {
  ExpectTransposes(&LeaveParallelBackward, &LeaveParallel);
}

TEST_P(BoundaryTest, EnteringShowsEveryRankAllTokensAndLeavingSumsTheParts) {
  const auto [num_ranks, sequence_parallel] = GetParam();
  const std::vector<double> x = WholeNumbers(kTokens * kWidth, 1);
  OnTensorRanks(num_ranks, {.sequence_parallel = sequence_parallel}, [&](TensorRank& rank) {
    const TensorParallel& parallel = rank.parallel();
    const TokenRange rows = parallel.OuterTokens(kTokens);
    const std::vector<double> outer(x.begin() + rows.begin * kWidth, x.begin() + rows.end * kWidth);
    const Shape outer_shape = {rows.size(), kWidth}, inner_shape = {kTokens, kWidth};

    Tensor inner = EnterParallel(parallel, rank.Upload(outer, outer_shape), rank.stream());
    EXPECT_EQ(rank.Download(inner.view()), x);
    // Rank r leaves with (r + 1) x: the sum is n (n + 1) / 2 x.
    std::vector<double> part = x;
    for (double& value : part) value *= parallel.index() + 1;
    inner = LeaveParallel(parallel, rank.Upload(part, inner_shape), rank.stream());
    std::vector<double> sum = outer;
    for (double& value : sum) value *= num_ranks * (num_ranks + 1) / 2.0;
    EXPECT_EQ(inner.view().shape(), outer_shape);
    EXPECT_EQ(rank.Download(inner.view()), sum);
  });
}

INSTANTIATE_TEST_SUITE_P(Layouts, BoundaryTest,
                         testing::Values(Layout{1, true}, Layout{2, true}, Layout{2, false},
                                         Layout{3, true}, Layout{4, true}, Layout{4, false}),
                         [](const auto& layout) {
                           return StrCat("tp", layout.param.num_ranks,
                                         layout.param.sequence_parallel ? "Sequence" : "Whole");
                         });

TEST(Boundary, OneRankGetsItsTensorBackAndMakesNoOther) {
  const auto device = OpenDevice({.memory_bytes = 1 << 20, .pool = MakeThreadPool(1)});
  const auto stream = device->NewStream(StreamKind::kCompute, "compute");
  const TensorParallel alone;
  Tensor x(DType::kF32, {kTokens, kWidth}, MemoryCategory::kWorkspace, *stream);
  const void* const memory = x.view().raw();
  const uint64_t allocations = device->allocator().address_hash();
  Trace trace;
  device->set_trace(&trace);
  x = EnterParallel(alone, std::move(x), *stream);
  x = LeaveParallel(alone, std::move(x), *stream);
  x = LeaveParallelBackward(alone, std::move(x), *stream);
  x = EnterParallelBackward(alone, std::move(x), *stream);
  EXPECT_FALSE(GatherTokens(alone, x.view(), MemoryCategory::kWorkspace, *stream));
  device->set_trace(nullptr);
  EXPECT_EQ(x.view().raw(), memory);
  EXPECT_EQ(device->allocator().address_hash(), allocations);
  EXPECT_TRUE(trace.entries().empty());
}

TEST(TensorParallel, OuterTokensCoverTheBatchInOrder) {
  OnTensorRanks(3, {}, [](TensorRank& rank) {
    const TokenRange rows = rank.parallel().OuterTokens(12);
    EXPECT_EQ(rows.begin, 4 * rank.parallel().index());
    EXPECT_EQ(rows.size(), 4);
  });
  EXPECT_EQ(TensorParallel().OuterTokens(7).size(), 7);
}

TEST(TensorParallel, TokensThatDoNotDivideAreRefusedWithTheRemedy) {
  OnTensorRanks(3, {}, [](TensorRank& rank) {
    try {
      rank.parallel().OuterTokens(10);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kConfig);
      EXPECT_THAT(error.message(), testing::HasSubstr("10 tokens does not divide over tp 3"));
      EXPECT_THAT(error.message(), testing::HasSubstr("sequence_parallel: false"));
    }
  });
  OnTensorRanks(3, {.sequence_parallel = false},
                [](TensorRank& rank) { EXPECT_EQ(rank.parallel().OuterTokens(10).size(), 10); });
}

}  // namespace
}  // namespace cadmus
