// SPDX-License-Identifier: Apache-2.0
// Crossing the boundary in parts gives what the operators of boundary.h give, for any number of
// parts; the collective of a part is ordered behind what it needs and nothing else.
#include "runtime/parallel/tensor/token_parts.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>

#include <gtest/gtest.h>
#include "collectives/sim/sim_communicator.h"
#include "kernels/ops/cast.h"
#include "kernels/sim/hazard_check.h"
#include "runtime/parallel/tensor/boundary.h"
#include "tests/runtime/parallel/tensor/tensor_rank.h"

namespace cadmus {
namespace {

constexpr int64_t kTokens = 12, kWidth = 3;

// A product that gives every row the same bits wherever it stands: a copy.
RowsProduct Copy(Stream& stream) {
  return
      [&stream](const ConstTensorView& x, const TensorView& y) { Cast({.x = x, .y = y}, stream); };
}

std::vector<double> RandomRows(int64_t num_rows, int seed) {
  std::vector<double> values(static_cast<size_t>(num_rows * kWidth));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = 1.0 / (1.0 + static_cast<double>(i) + 37.0 * seed);
  }
  return values;
}

// Also with more parts than rows: 12 tokens over 3 ranks are 4 rows each.
TEST(TokenParts, EnteringInPartsIsEntering) {
  for (const int token_parts : {2, 3, 5}) {
    OnTensorRanks(3, {.token_parts = token_parts}, [&](TensorRank& rank) {
      const TensorParallel& parallel = rank.parallel();
      const Tensor x_outer = rank.Upload(RandomRows(4, parallel.index()), {4, kWidth});
      const Tensor expected =
          GatherTokens(parallel, x_outer.view(), MemoryCategory::kWorkspace, rank.stream());
      const Tensor y = rank.Upload(RandomRows(kTokens, 99), {kTokens, kWidth});
      const Tensor x = rank.Upload(RandomRows(kTokens, 98), {kTokens, kWidth});
      EnterInParts(parallel, x_outer.view(), y.view(), x.view(), Copy(rank.stream()),
                   rank.stream());
      EXPECT_EQ(rank.Download(y.view()), rank.Download(expected.view())) << token_parts;
      EXPECT_EQ(rank.Download(x.view()), rank.Download(expected.view())) << token_parts;
    });
  }
}

TEST(TokenParts, LeavingInPartsIsLeaving) {
  for (const bool sequence_parallel : {false, true}) {
    for (const int token_parts : {2, 3, 5}) {
      OnTensorRanks(
          3, {.sequence_parallel = sequence_parallel, .token_parts = token_parts},
          [&](TensorRank& rank) {
            const TensorParallel& parallel = rank.parallel();
            const std::vector<double> rows = RandomRows(kTokens, parallel.index());
            const Tensor x = rank.Upload(rows, {kTokens, kWidth});
            const Tensor y = LeaveInParts(parallel, x.view(), kWidth, MemoryCategory::kWorkspace,
                                          Copy(rank.stream()), rank.stream());
            const Tensor expected =
                LeaveParallel(parallel, rank.Upload(rows, {kTokens, kWidth}), rank.stream());
            EXPECT_EQ(rank.Download(y.view()), rank.Download(expected.view())) << token_parts;
          });
    }
  }
}

TEST(TokenParts, OneRankHasNone) {
  OnTensorRanks(1, {.token_parts = 4}, [](TensorRank& rank) {
    EXPECT_FALSE(rank.parallel().overlaps());
    EXPECT_EQ(rank.parallel().token_parts(), 1);
  });
}

class TokenPartsTrace : public testing::TestWithParam<bool> {
 protected:
  TokenPartsTrace()
      : device_(OpenDevice({.kind = DeviceKind::kSim, .memory_bytes = 1 << 24})),
        stream_(device_->NewStream(StreamKind::kCompute, "compute")),
        ranks_("tp", 1, 2, *device_),
        parallel_(ranks_, nullptr, {.sequence_parallel = GetParam(), .token_parts = 4}) {}

  Tensor New(int64_t num_rows) {
    return Tensor(DType::kF64, {num_rows, kWidth}, MemoryCategory::kWorkspace, *stream_);
  }
  // 'p' a product or copy, 'c' a collective, in the order of issue.
  std::string Order() const {
    std::string order;
    for (const TraceEntry& entry : device_->trace()->entries()) {
      if (entry.kind == TraceEntry::Kind::kOp) order += 'p';
      if (entry.kind == TraceEntry::Kind::kCollective) order += 'c';
    }
    return order;
  }

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  SimCommunicator ranks_;
  TensorParallel parallel_;
};

TEST_P(TokenPartsTrace, CollectivesRunBesideProductsAndRaceWithNone) {
  {
    const Tensor x = New(16);
    Tensor y = LeaveInParts(parallel_, x.view(), kWidth, MemoryCategory::kWorkspace, Copy(*stream_),
                            *stream_);
    EXPECT_EQ(Order(), "pcpcpcpc");
    Cast({.x = y.view(), .y = New(y.view().dim(0)).view()}, *stream_);  // the caller goes on
    y.Reset();
    const Tensor reused = New(16);
    Cast({.x = x.view(), .y = reused.view()}, *stream_);
  }
  if (parallel_.gathers_in_parts()) {
    device_->trace()->Clear();
    const Tensor x_outer = New(8), y = New(16), x = New(16);
    EnterInParts(parallel_, x_outer.view(), y.view(), TensorView(), Copy(*stream_), *stream_);
    EXPECT_EQ(Order(), "ccpcpcpp");
    EnterInParts(parallel_, x_outer.view(), y.view(), x.view(), Copy(*stream_), *stream_);
    Cast({.x = x.view(), .y = y.view()}, *stream_);
  }
  for (const sim::Hazard& hazard : sim::FindHazards(*device_->trace())) {
    ADD_FAILURE() << hazard.ToString();
  }
}

INSTANTIATE_TEST_SUITE_P(SequenceParallel, TokenPartsTrace, testing::Bool());

}  // namespace
}  // namespace cadmus
