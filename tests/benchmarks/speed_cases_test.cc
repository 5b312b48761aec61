// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/gpu/speed_cases.h"

#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "kernels/open_device.h"
#include "kernels/sim/device.h"

namespace cadmus::gpu_speed {
namespace {

// Whatever is enqueued takes a millisecond.
class SteadyMachine final : public timing::Machine {
 public:
  double Seconds() override { return now_; }
  void Mark(int) override { now_ += 1e-3; }
  void Await(int) override {}
  std::optional<timing::Reading> Read() override { return std::nullopt; }

 private:
  double now_ = 0;
};

// On the sim device, which stands for an H200: every op checks its arguments, none computes.
class SpeedCasesTest : public ::testing::Test {
 protected:
  SpeedCasesTest()
      : device_(int64_t{20} << 30, {.kind = DeviceKind::kCuda, .capability = 90}),
        stream_(device_.NewStream(StreamKind::kCompute, "compute")) {
    device_.set_trace(&trace_);
  }

  // The names of the ops that were issued.
  std::set<std::string> OpsIssued() const {
    std::set<std::string> ops;
    for (const TraceEntry& entry : trace_.entries()) {
      if (entry.kind == TraceEntry::Kind::kOp) ops.insert(entry.name);
    }
    return ops;
  }
  std::vector<nlohmann::json> Lines() const {
    std::vector<nlohmann::json> lines;
    std::istringstream text(results_.str());
    for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  sim::SimDevice device_;
  std::unique_ptr<Stream> stream_;
  Trace trace_;
  SteadyMachine machine_;
  std::ostringstream results_, people_;
  SpeedRun run_ = {.stream = *stream_,
                   .machine = machine_,
                   .protocol = {.block_seconds = 0.004,
                                .dropped_seconds = 0.001,
                                .chunk_seconds = 0.001,
                                .blocks_per_side = 2},
                   .cache_bytes = int64_t{60} << 20,
                   .results = results_,
                   .people = people_};
};

TEST_F(SpeedCasesTest, MemoryBoundOpsAreSharesOfACopyOfTheSameBytes) {
  RunMemoryBoundCases(run_);
  EXPECT_THAT(OpsIssued(),
              ::testing::IsSupersetOf({"AdamW", "Cast", "CrossEntropy", "EmbeddingBackward",
                                       "EmbeddingForward", "RmsNormBackward", "RmsNormForward",
                                       "Rope", "SwiGluBackward", "SwiGluForward"}));
  ASSERT_EQ(Lines().size(), 10U);
  for (const auto& line : Lines()) {
    EXPECT_EQ(line["b"], "device copy");
    EXPECT_EQ(line["share_of_copy"], 1);
    EXPECT_GT(line["compulsory_bytes"], 1e8) << line["case"];
  }
}

TEST_F(SpeedCasesTest, EachKernelForAttentionRunsAlone) {
  RunAttentionCases(run_);
  EXPECT_THAT(OpsIssued(), ::testing::IsSupersetOf({"AttentionBackward", "AttentionForward"}));
  ASSERT_EQ(Lines().size(), 9U);
  EXPECT_TRUE(Lines()[0]["b"].is_null());
}

class CountingRival final : public GemmRival {
 public:
  void Prepare(const std::vector<GemmArgs>& sets, SpeedRun& run) override {
    int64_t input_bytes = 0;
    for (const GemmArgs& args : sets) {
      input_bytes += args.a.data.num_bytes() + args.b.data.num_bytes();
    }
    EXPECT_GT(input_bytes, 4 * run.cache_bytes);
    ++prepared;
  }
  std::string name() const override { return "counting"; }
  void Enqueue(const GemmArgs&) override { ++enqueued; }

  int prepared = 0, enqueued = 0;
};

TEST_F(SpeedCasesTest, ProductsRotateOverMoreThanTheCacheAgainstTheirRival) {
  CountingRival rival;
  RunGemmCases(run_, rival);
  EXPECT_EQ(rival.prepared, 15);
  EXPECT_GT(rival.enqueued, 0);
  ASSERT_EQ(Lines().size(), 15U);
  EXPECT_EQ(Lines()[0]["kernel_of_b"], "counting");
}

TEST(SpeedBuffers, HoldTheSameRandomNumbersInEveryRunAndNoZeros) {
  const auto device = OpenDevice({.memory_bytes = int64_t{32} << 20, .pool = MakeThreadPool(1)});
  const auto stream = device->NewStream(StreamKind::kCompute, "compute");
  constexpr int64_t kCount = (int64_t{1} << 20) + 7;  // more than is drawn: it repeats
  Buffers first(*stream), second(*stream);
  const auto* x = first.Uniform(DType::kBF16, {kCount}).data<BFloat16>();
  const auto* y = second.Uniform(DType::kBF16, {kCount}).data<BFloat16>();
  for (int64_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(x[i].bits(), y[i].bits());
    ASSERT_NE(x[i], 0.0F);
    ASSERT_LE(std::abs(x[i]), 1.0F);
  }
  const auto* tokens = first.Integers({kCount}, 1000).data<int32_t>();
  for (int64_t i = 0; i < kCount; ++i) ASSERT_TRUE(tokens[i] >= 0 && tokens[i] < 1000);
  EXPECT_EQ(first.filled_bytes(), kCount * 6);
}

}  // namespace
}  // namespace cadmus::gpu_speed
