// SPDX-License-Identifier: Apache-2.0
// A recomputed module computes the same bits and keeps its input alone.
#include "runtime/nn/recompute.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "kernels/base/error.h"
#include "kernels/open_device.h"
#include "kernels/sim/hazard_check.h"
#include "tests/runtime/nn/toy_module.h"
#include "tests/support/stage_run.h"

namespace cadmus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

enum class Form { kPlain, kRecomputed, kRecomputedTwice };

constexpr int64_t kModules = 3;

std::vector<std::unique_ptr<Module>> Toys(Form form, int64_t width,
                                          std::vector<std::string>* log = nullptr) {
  std::vector<std::unique_ptr<Module>> modules;
  for (int64_t i = 0; i < kModules; ++i) {
    std::unique_ptr<Module> toy = std::make_unique<ToyModule>(StrCat("toy.", i), width, log);
    if (form != Form::kPlain) toy = MakeRecomputed(std::move(toy));
    if (form == Form::kRecomputedTwice) toy = MakeRecomputed(std::move(toy));
    modules.push_back(std::move(toy));
  }
  return modules;
}

struct Cpu {
  std::unique_ptr<Device> device =
      OpenDevice({.memory_bytes = int64_t{4} << 20, .pool = MakeThreadPool(1)});
  std::unique_ptr<Stream> compute = device->NewStream(StreamKind::kCompute, "compute");
};

StageRun::Bytes ResultsOf(Form form, const StageRunOptions& options) {
  const Cpu cpu;
  StageRun run(Toys(form, options.width), options, *cpu.compute);
  run.Step();
  const StageRun::Bytes first = run.results();
  run.Step();
  EXPECT_EQ(run.results(), first);
  return first;
}

TEST(Recompute, ChangesNoBit) {
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    for (const BackwardOrder order : {BackwardOrder::kWhole, BackwardOrder::kSplit}) {
      const StageRunOptions options = {.dtype = dtype, .order = order};
      const StageRun::Bytes plain = ResultsOf(Form::kPlain, options);
      for (const Form form : {Form::kRecomputed, Form::kRecomputedTwice}) {
        EXPECT_EQ(ResultsOf(form, options), plain)
            << Name(dtype) << (order == BackwardOrder::kSplit ? " split" : " whole");
      }
    }
  }
}

TEST(Recompute, KeepsTheInputAlone) {
  const StageRunOptions options = {.batch = 4, .length = 16, .width = 8};
  constexpr int64_t kActivation = 4 * 16 * 8 * 8, kStatistics = 4 * 16 * 8;  // bytes
  const auto kept = [&](Form form) {
    const Cpu cpu;
    StageRun run(Toys(form, options.width), options, *cpu.compute);
    const MemoryStats stats = run.ForwardOnly();
    return std::array<int64_t, 2>{
        stats.current_bytes[static_cast<size_t>(MemoryCategory::kActivationsInput)],
        stats.current_bytes[static_cast<size_t>(MemoryCategory::kActivationsWeight)]};
  };
  constexpr int64_t kPasses = StageRun::kMicroBatches * kModules;
  EXPECT_THAT(kept(Form::kPlain), ElementsAre(kPasses * kActivation, kPasses * kStatistics));
  EXPECT_THAT(kept(Form::kRecomputed), ElementsAre(kPasses * kActivation, 0));
}

TEST(Recompute, KeepsNothingWhereNobodyWillAsk) {
  for (const Mode mode : {Mode::kInference, Mode::kTrainingUnsaved}) {
    const Cpu cpu;
    StageRun run(Toys(Form::kRecomputed, 8), {}, *cpu.compute);
    const int64_t before = cpu.device->allocator().stats().current_total_bytes;
    EXPECT_EQ(run.ForwardOnly(mode).current_total_bytes, before);
  }
}

TEST(Recompute, ShowsEverySegmentWithItsKind) {
  const auto module = MakeRecomputed(std::make_unique<ToyModule>("toy", 8));
  const auto described = [](const auto& segments) {
    std::vector<std::string> out;
    for (const auto& segment : segments) {
      out.push_back(
          StrCat(segment.name, segment.kind == SegmentKind::kCommunicate ? " (communicates)" : ""));
    }
    return out;
  };
  EXPECT_THAT(described(module->forward_segments()),
              ElementsAre("norm", "exchange (communicates)", "dropout"));
  EXPECT_THAT(described(module->backward_input_segments()),
              ElementsAre("recompute norm", "recompute exchange (communicates)",
                          "recompute dropout", "all"));
  EXPECT_THAT(described(module->backward_weight_segments()), ElementsAre("all"));
}

TEST(Recompute, RunsEachForwardSegmentOnceMorePerModule) {
  const Cpu cpu;
  std::vector<std::string> log;
  StageRun run(Toys(Form::kRecomputed, 8, &log), {}, *cpu.compute);
  run.Step();
  std::vector<std::string> expected;
  for (int64_t i = 0; i < 2 * StageRun::kMicroBatches * kModules; ++i) {
    expected.insert(expected.end(), {"norm", "exchange", "dropout"});
  }
  EXPECT_EQ(log, expected);
}

TEST(Recompute, LeavesNothingBehindAndRepeatsItsAddresses) {
  const Cpu cpu;
  Allocator& allocator = cpu.device->allocator();
  StageRun run(Toys(Form::kRecomputed, 8), {}, *cpu.compute);
  const int64_t before = allocator.stats().current_total_bytes;
  run.Step();
  EXPECT_EQ(allocator.stats().current_total_bytes, before);
  allocator.ResetAddressHash();
  run.Step();
  const uint64_t second = allocator.address_hash();
  allocator.ResetAddressHash();
  run.Step();
  EXPECT_EQ(allocator.address_hash(), second);
}

TEST(Recompute, HasNoHazard) {
  const auto device = OpenDevice({.kind = DeviceKind::kSim, .memory_bytes = int64_t{4} << 20});
  const auto compute = device->NewStream(StreamKind::kCompute, "compute");
  StageRun run(Toys(Form::kRecomputed, 8), {.order = BackwardOrder::kSplit}, *compute);
  run.Step();
  run.Step();
  EXPECT_THAT(sim::FindHazards(*device->trace()), IsEmpty());
}

// Hands its input on: y = x.
class Identity final : public Module {
 public:
  void VisitParameters(const std::function<void(Parameter&)>&) override {}
  std::unique_ptr<Saved> NewSaved() const override { return std::make_unique<Saved>(); }
  std::span<const ForwardSegment> forward_segments() const override {
    static constexpr std::array<ForwardSegment, 1> kSegments = {
        {{SegmentKind::kCompute, "identity", [](Module&, ForwardContext&, Saved&) {}}}};
    return kSegments;
  }
  std::span<const BackwardSegment> backward_input_segments() const override { return {}; }
  std::span<const BackwardSegment> backward_weight_segments() const override { return {}; }
};

TEST(Recompute, RefusesAModuleThatHandsOnItsInput) {
  const Cpu cpu;
  std::vector<std::unique_ptr<Module>> modules;
  modules.push_back(MakeRecomputed(std::make_unique<Identity>()));
  StageRun run(std::move(modules), {}, *cpu.compute);
  try {
    run.ForwardOnly();
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Kind::kInternal);
    EXPECT_THAT(e.message(), HasSubstr("wrap a larger piece"));
  }
}

}  // namespace
}  // namespace cadmus
