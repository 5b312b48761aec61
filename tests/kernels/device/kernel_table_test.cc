// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/kernel_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/device/launch.h"
#include "kernels/open_device.h"

namespace cadmus {
namespace {

using ::testing::HasSubstr;

struct CountArgs {
  static constexpr const char* kName = "Count";
  int* counter = nullptr;
  ConstTensorView x;
  TensorView y;
  template <class V>
  void Visit(V& v) const {
    v.Read("x", x);
    v.Write("y", y);
  }
};
void Count(const CountArgs& args, Stream&) { ++*args.counter; }
OpCost Cost(const CountArgs&) { return {.flops = 3, .bytes = 5}; }

struct DoubleSpec {
  static constexpr const char* kName = "Double plan";
  int value = 0;
};
struct DoublePlan {
  int twice = 0;
};
std::shared_ptr<const DoublePlan> MakeDouble(const DoubleSpec& spec, Device&) {
  return std::make_shared<DoublePlan>(DoublePlan{2 * spec.value});
}

std::string MessageOf(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.message();
  }
  return "no error";
}

TEST(KernelTable, RunsTheKernelOfTheArgumentTypeAndMakesPlans) {
  auto device = OpenDevice({.kind = DeviceKind::kSim, .memory_bytes = 1024});
  auto stream = device->NewStream(StreamKind::kCompute, "compute");
  KernelTable table("test");
  table.Add<CountArgs>(&Count);
  table.AddPlanner<DoubleSpec, DoublePlan>(&MakeDouble);
  int count = 0;
  table.Run(CountArgs{.counter = &count, .x = {}, .y = {}}, *stream);
  EXPECT_EQ(count, 1);
  EXPECT_EQ((table.MakePlan<DoublePlan>(DoubleSpec{21}, *device)->twice), 42);
}

TEST(KernelTable, DuplicatesAndGapsAreNamed) {
  auto device = OpenDevice({.kind = DeviceKind::kSim, .memory_bytes = 1024});
  auto stream = device->NewStream(StreamKind::kCompute, "compute");
  KernelTable table("abacus");
  EXPECT_THAT(MessageOf([&] { table.Run(CountArgs{}, *stream); }),
              HasSubstr("Count has no kernel for abacus"));
  EXPECT_THAT(MessageOf([&] { table.MakePlan<DoublePlan>(DoubleSpec{}, *device); }),
              HasSubstr("Double plan has no kernel for abacus"));
  table.Add<CountArgs>(&Count);
  EXPECT_THAT(MessageOf([&] { table.Add<CountArgs>(&Count); }),
              HasSubstr("Count is registered twice for abacus"));
}

TEST(Launch, DescribesTheOpWithItsAccessesAndCost) {
  auto device = OpenDevice({.kind = DeviceKind::kSim, .memory_bytes = 1024});
  auto stream = device->NewStream(StreamKind::kCompute, "compute");
  int count = 0;
  char memory[64];
  const CountArgs args = {.counter = &count,
                          .x = ConstTensorView(memory, DType::kF32, {2, 3}),
                          .y = TensorView(memory + 32, DType::kF64, {0})};
  const TraceEntry entry = DescribeOp(args, *stream);
  EXPECT_EQ(entry.kind, TraceEntry::Kind::kOp);
  EXPECT_EQ(entry.name, "Count");
  EXPECT_EQ(entry.detail, "x[2, 3] y[0]");
  EXPECT_EQ(entry.cost.flops, 3);
  ASSERT_EQ(entry.accesses.size(), 1U);  // an empty view touches nothing
  EXPECT_EQ(entry.accesses[0].begin, reinterpret_cast<uint64_t>(memory));
  EXPECT_EQ(entry.accesses[0].end - entry.accesses[0].begin, 24U);
  EXPECT_EQ(entry.accesses[0].mode, AccessMode::kRead);
  // No test op is in the list of a real device: the gap is an error, after the op was noted.
  EXPECT_THROW(Launch(args, *stream), Error);
}

}  // namespace
}  // namespace cadmus
