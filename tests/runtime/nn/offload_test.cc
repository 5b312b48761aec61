// SPDX-License-Identifier: Apache-2.0
// Offloaded modules compute the same bits, hold one module's tensors on the device, and order every
// copy.
#include "runtime/nn/offload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/base/error.h"
#include "kernels/open_device.h"
#include "kernels/sim/hazard_check.h"
#include "runtime/nn/recompute.h"
#include "tests/runtime/nn/toy_module.h"
#include "tests/support/allocation_count.h"
#include "tests/support/stage_run.h"

namespace cadmus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

enum class Form { kPlain, kOffloaded, kRecomputedAndOffloaded };

constexpr int64_t kModules = 4;

// A device with the two streams, and a stage of toys.
class Rig {
 public:
  Rig(Form form, const StageRunOptions& options, const DeviceOptions& device_options)
      : device_(OpenDevice(device_options)),
        compute_(device_->NewStream(StreamKind::kCompute, "compute")),
        copies_(device_->NewStream(StreamKind::kCommunication, "offload")),
        offload_(*copies_),
        run_(Toys(form, options.width), options, *compute_) {}

  Device& device() { return *device_; }
  Stream& copies() { return *copies_; }
  const ActivationOffload& offload() const { return offload_; }
  StageRun& run() { return run_; }
  int64_t LiveBytes(MemoryCategory category) {
    return device_->allocator().stats().current_bytes[static_cast<size_t>(category)];
  }

 private:
  std::vector<std::unique_ptr<Module>> Toys(Form form, int64_t width) {
    std::vector<std::unique_ptr<Module>> modules;
    for (int64_t i = 0; i < kModules; ++i) {
      std::unique_ptr<Module> toy = std::make_unique<ToyModule>(StrCat("toy.", i), width);
      if (form == Form::kRecomputedAndOffloaded) toy = MakeRecomputed(std::move(toy));
      if (form != Form::kPlain) toy = MakeOffloaded(std::move(toy), offload_);
      modules.push_back(std::move(toy));
    }
    return modules;
  }

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> compute_;
  std::unique_ptr<Stream> copies_;
  ActivationOffload offload_;
  StageRun run_;
};

DeviceOptions Cpu(CpuStreams streams = CpuStreams::kInline) {
  return {.memory_bytes = int64_t{4} << 20, .pool = MakeThreadPool(1), .cpu_streams = streams};
}
DeviceOptions Sim() { return {.kind = DeviceKind::kSim, .memory_bytes = int64_t{4} << 20}; }

TEST(Offload, ChangesNoBit) {
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    for (const BackwardOrder order : {BackwardOrder::kWhole, BackwardOrder::kSplit}) {
      const StageRunOptions options = {.dtype = dtype, .order = order};
      Rig plain(Form::kPlain, options, Cpu());
      plain.run().Step();
      for (const Form form : {Form::kOffloaded, Form::kRecomputedAndOffloaded}) {
        for (const CpuStreams streams : {CpuStreams::kInline, CpuStreams::kThreaded}) {
          Rig rig(form, options, Cpu(streams));
          for (int step = 0; step < 3; ++step) {
            rig.run().Step();
            EXPECT_EQ(rig.run().results(), plain.run().results())
                << Name(dtype) << ", step " << step;
          }
        }
      }
    }
  }
}

TEST(Offload, HoldsTheTensorsOfTheLatestModuleOnly) {
  const StageRunOptions options = {.batch = 4, .length = 16, .width = 8};
  constexpr int64_t kActivation = 4 * 16 * 8 * 8, kStatistics = 4 * 16 * 8;  // bytes
  Rig rig(Form::kOffloaded, options, Cpu());
  rig.run().ForwardOnly();
  EXPECT_EQ(rig.LiveBytes(MemoryCategory::kActivationsInput), kActivation);
  EXPECT_EQ(rig.LiveBytes(MemoryCategory::kActivationsWeight), kStatistics);
  constexpr int64_t kPasses = StageRun::kMicroBatches * kModules;
  EXPECT_EQ(rig.offload().host_bytes(), kPasses * (kActivation + kStatistics));
}

TEST(Offload, CopiesNothingWhereNothingIsSaved) {
  for (const Mode mode : {Mode::kInference, Mode::kTrainingUnsaved}) {
    Rig rig(Form::kOffloaded, {}, Sim());
    rig.run().ForwardOnly(mode);
    EXPECT_EQ(rig.offload().host_bytes(), 0);
    for (const TraceEntry& entry : rig.device().trace()->entries()) {
      EXPECT_NE(entry.stream, rig.copies().id()) << entry.name;
    }
  }
}

TEST(Offload, RecomputedModulesCopyTheirInputAlone) {
  Rig rig(Form::kRecomputedAndOffloaded, {.batch = 4, .length = 16, .width = 8}, Cpu());
  rig.run().Step();
  EXPECT_EQ(rig.offload().host_bytes(), StageRun::kMicroBatches * kModules * (4 * 16 * 8 * 8));
}

TEST(Offload, TensorsComeBackInTheirCategories) {
  Rig plain(Form::kPlain, {}, Cpu());
  Rig rig(Form::kOffloaded, {}, Cpu());
  for (Rig* r : {&plain, &rig}) r->run().Step();
  const auto peak = [](Rig& r, MemoryCategory category) {
    return r.device().allocator().stats().peak_bytes[static_cast<size_t>(category)];
  };
  for (const auto category :
       {MemoryCategory::kActivationsInput, MemoryCategory::kActivationsWeight}) {
    EXPECT_LT(peak(rig, category), peak(plain, category));
  }
  EXPECT_EQ(peak(rig, MemoryCategory::kWorkspace), peak(plain, MemoryCategory::kWorkspace));
}

TEST(Offload, RepeatsAddressesAndAsksTheHeapForNothing) {
  for (const Form form : {Form::kOffloaded, Form::kRecomputedAndOffloaded}) {
    Rig rig(form, {.order = BackwardOrder::kSplit}, Cpu());
    Allocator& allocator = rig.device().allocator();
    const int64_t live = allocator.stats().current_total_bytes;
    rig.run().Step();
    EXPECT_EQ(allocator.stats().current_total_bytes, live);
    const int64_t host_bytes = rig.offload().host_bytes();
    allocator.ResetAddressHash();
    rig.run().Step();
    const uint64_t second = allocator.address_hash();
    const int64_t heap = NumAllocations();
    for (int step = 0; step < 3; ++step) {
      allocator.ResetAddressHash();
      rig.run().Step();
      EXPECT_EQ(allocator.address_hash(), second);
    }
    EXPECT_EQ(NumAllocations(), heap);
    EXPECT_EQ(rig.offload().host_bytes(), host_bytes);
  }
}

TEST(Offload, HasNoHazard) {
  for (const Form form : {Form::kOffloaded, Form::kRecomputedAndOffloaded}) {
    for (const BackwardOrder order : {BackwardOrder::kWhole, BackwardOrder::kSplit}) {
      Rig rig(form, {.order = order}, Sim());
      for (int step = 0; step < 3; ++step) rig.run().Step();
      for (const sim::Hazard& hazard : sim::FindHazards(*rig.device().trace())) {
        ADD_FAILURE() << hazard.ToString();
      }
    }
  }
}

TEST(Offload, FetchesOneModuleAhead) {
  Rig rig(Form::kOffloaded, {}, Sim());
  rig.run().Step();
  std::string order;
  for (const TraceEntry& entry : rig.device().trace()->entries()) {
    const bool copies = entry.stream == rig.copies().id();
    if (copies && entry.name == "copy to device") order += 'f';
    if (!copies && entry.name == "RmsNormBackward" && order.ends_with('f')) order += 'B';
  }
  // Two tensors a module. The last module of micro-batch 0 is fetched when it is needed, and the
  // one before it already then.
  EXPECT_EQ(order.substr(0, 10), "ffffBffBff");
}

// The last module of the last micro-batch was copied last: it is still there.
TEST(Offload, FetchesWhatHasLeftTheDevice) {
  Rig rig(Form::kOffloaded, {}, Sim());
  rig.run().Step();
  const auto& entries = rig.device().trace()->entries();
  const auto count = [&](const char* name) {
    return std::count_if(entries.begin(), entries.end(), [&](const TraceEntry& entry) {
      return entry.stream == rig.copies().id() && entry.name == name;
    });
  };
  constexpr int64_t kTensors = 2;  // of a module
  constexpr int64_t kPasses = StageRun::kMicroBatches * kModules;
  EXPECT_EQ(count("copy to host"), kPasses * kTensors);
  EXPECT_EQ(count("copy to device"), (kPasses - 1) * kTensors);
}

struct Silent final : Saved {};

// Saves a tensor without naming it.
class Nameless final : public Module {
 public:
  void VisitParameters(const std::function<void(Parameter&)>&) override {}
  std::unique_ptr<Saved> NewSaved() const override { return std::make_unique<Silent>(); }
  std::span<const ForwardSegment> forward_segments() const override { return {}; }
  std::span<const BackwardSegment> backward_input_segments() const override { return {}; }
  std::span<const BackwardSegment> backward_weight_segments() const override { return {}; }
};

TEST(Offload, RefusesAModuleThatNamesNoTensor) {
  const auto device = OpenDevice(Sim());
  const auto copies = device->NewStream(StreamKind::kCommunication, "offload");
  ActivationOffload offload(*copies);
  const auto module = MakeOffloaded(std::make_unique<Nameless>(), offload);
  try {
    module->NewSaved();
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Kind::kInternal);
    EXPECT_THAT(e.message(), HasSubstr("override Saved::VisitTensors"));
  }
}

}  // namespace
}  // namespace cadmus
