// SPDX-License-Identifier: Apache-2.0
#include "launch/plan/record_rank.h"

#include <gtest/gtest.h>

#include "kernels/device/trace.h"

namespace cadmus {
namespace {

TraceEntry Entry(TraceEntry::Kind kind, const std::string& name, int64_t bytes, double flops = 0) {
  TraceEntry entry;
  entry.kind = kind;
  entry.name = name;
  entry.payload_bytes = bytes;
  entry.cost.flops = flops;
  return entry;
}

TEST(RecordRank, SumsCollectivesByGroupAndOperation) {
  Trace trace;
  trace.Append(Entry(TraceEntry::Kind::kCollective, "tp/all-gather", 100));
  trace.Append(Entry(TraceEntry::Kind::kCopy, "copy to device", 7));
  trace.Append(Entry(TraceEntry::Kind::kCollective, "pp+dp_shard+tp/all-reduce", 8));
  trace.Append(Entry(TraceEntry::Kind::kCollective, "tp/all-gather", 50));
  trace.Append(Entry(TraceEntry::Kind::kCollective, "tp/reduce-scatter", 30));
  const std::vector<CollectiveTotal> expected = {
      {.group = "pp+dp_shard+tp", .operation = "all-reduce", .calls = 1, .bytes = 8},
      {.group = "tp", .operation = "all-gather", .calls = 2, .bytes = 150},
      {.group = "tp", .operation = "reduce-scatter", .calls = 1, .bytes = 30}};
  EXPECT_EQ(SumCollectives(trace), expected);
}

TEST(RecordRank, CountsTheFlopsOfMatrixProductsAndAttentionOnly) {
  Trace trace;
  trace.Append(Entry(TraceEntry::Kind::kOp, "Gemm", 0, 1000));
  trace.Append(Entry(TraceEntry::Kind::kOp, "AttentionForward", 0, 100));
  trace.Append(Entry(TraceEntry::Kind::kOp, "AttentionBackward", 0, 250));
  trace.Append(Entry(TraceEntry::Kind::kOp, "RmsNormForward", 0, 7));
  EXPECT_EQ(SumFlops(trace), 1350);
}

}  // namespace
}  // namespace cadmus
