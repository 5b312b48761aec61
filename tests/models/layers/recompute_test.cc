// SPDX-License-Identifier: Apache-2.0
// A transformer block computes the same bits whatever is recomputed or offloaded, and holds what
// theory says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "collectives/local/local_world.h"
#include "kernels/open_device.h"
#include "kernels/sim/hazard_check.h"
#include "models/decoder/placement.h"
#include "models/layers/transformer_block.h"
#include "runtime/nn/offload.h"
#include "runtime/nn/recompute.h"
#include "tests/support/allocation_count.h"
#include "tests/support/stage_run.h"

namespace cadmus {
namespace {

enum class Recomputes { kNothing, kSelected, kBlocks };

struct Form {
  Recomputes recomputes = Recomputes::kNothing;
  bool offloads = false;
};

std::string ToString(const Form& form) {
  constexpr const char* kNames[] = {"none", "selective", "full"};
  return StrCat(kNames[static_cast<int>(form.recomputes)], form.offloads ? ", offloaded" : "");
}

std::vector<Form> AllForms() {
  std::vector<Form> forms;
  for (const auto recomputes : {Recomputes::kNothing, Recomputes::kSelected, Recomputes::kBlocks}) {
    for (const bool offloads : {false, true}) forms.push_back({recomputes, offloads});
  }
  return forms;
}

constexpr int64_t kBlocks = 3;
constexpr int64_t kWidth = 8, kHeads = 4, kKvHeads = 2, kHeadDim = 6, kHidden = 20;

constexpr DecoderShape kLlama = {.vocab_size = 2,
                                 .hidden_size = kWidth,
                                 .intermediate_size = kHidden,
                                 .num_layers = kBlocks,
                                 .num_heads = kHeads,
                                 .num_kv_heads = kKvHeads,
                                 .head_dim = kHeadDim,
                                 .rope_theta = 10000,
                                 .norm_epsilon = 1e-5,
                                 .initial_std = 0.02};

// Between them, all that a family may have.
std::vector<DecoderShape> AllFamilies() {
  DecoderShape qwen = kLlama, gpt2 = kLlama;
  qwen.qk_norm = qwen.qkv_bias = true;
  qwen.window = 3;
  gpt2.norm = NormKind::kLayer;
  gpt2.feed_forward = FeedForward::kGelu;
  gpt2.positions = Positions::kLearned;
  gpt2.qkv_bias = gpt2.other_biases = true;
  return {kLlama, qwen, gpt2};
}

std::string ToString(const DecoderShape& shape) {
  return shape.qk_norm ? "qwen" : shape.other_biases ? "gpt2" : "llama";
}

struct RigOptions {
  DecoderShape shape = kLlama;
  Form form;
  StageRunOptions stage;
  DeviceOptions device;
  double dropout = 0.25;
  Bootstrap* ranks = nullptr;  // of tensor parallelism; null: one
  TensorParallelOptions parallel = {};
};

// A device with the two streams, and a stage of blocks.
class Rig {
 public:
  explicit Rig(const RigOptions& options)
      : device_(OpenDevice(options.device)),
        compute_(device_->NewStream(StreamKind::kCompute, "compute")),
        copies_(device_->NewStream(StreamKind::kCommunication, "offload")),
        rope_({.theta = 10000, .head_dim = kHeadDim}, options.stage.length, options.stage.dtype,
              *compute_),
        offload_(*copies_) {
    if (options.ranks != nullptr) {
      ranks_ = options.ranks->Connect(*device_, {.workspace_bytes = 1 << 14});
      parallel_ = std::make_unique<TensorParallel>(*ranks_, nullptr, options.parallel);
    } else {
      parallel_ = std::make_unique<TensorParallel>();
    }
    run_ = std::make_unique<StageRun>(Blocks(options), options.stage, *compute_);
  }

  Device& device() { return *device_; }
  StageRun& run() { return *run_; }
  const ActivationOffload& offload() const { return offload_; }

 private:
  std::vector<std::unique_ptr<Module>> Blocks(const RigOptions& options) {
    TransformerBlockSpec spec = BlockSpec(options.shape);
    spec.dropout = options.dropout;
    spec.selective_recompute = options.form.recomputes == Recomputes::kSelected;
    const RopeTables* rope = options.shape.positions == Positions::kRope ? &rope_ : nullptr;
    std::vector<std::unique_ptr<Module>> modules;
    for (int64_t i = 0; i < kBlocks; ++i) {
      std::unique_ptr<Module> block = std::make_unique<TransformerBlock>(i, spec, rope, *parallel_);
      block->VisitParameters([&](Parameter& parameter) {
        if (parallel_->size() > 1) PlaceParameter(parameter, options.shape, *parallel_);
      });
      if (options.form.recomputes == Recomputes::kBlocks) block = MakeRecomputed(std::move(block));
      if (options.form.offloads) block = MakeOffloaded(std::move(block), offload_);
      modules.push_back(std::move(block));
    }
    return modules;
  }

  std::unique_ptr<Device> device_;
  std::unique_ptr<Communicator> ranks_;
  std::unique_ptr<Stream> compute_;
  std::unique_ptr<Stream> copies_;
  std::unique_ptr<TensorParallel> parallel_;
  RopeTables rope_;
  ActivationOffload offload_;
  std::unique_ptr<StageRun> run_;
};

DeviceOptions Cpu(CpuStreams streams = CpuStreams::kInline) {
  return {.memory_bytes = int64_t{64} << 20, .pool = MakeThreadPool(2), .cpu_streams = streams};
}
DeviceOptions Sim() { return {.kind = DeviceKind::kSim, .memory_bytes = int64_t{64} << 20}; }

// Elements kept per token from forward to backward, until the input- and until the weight-backward.
struct Kept {
  int64_t input = 0, weight = 0;
  int64_t total() const { return input + weight; }
};
Kept KeptPerToken(Recomputes recomputes, const DecoderShape& shape = kLlama) {
  constexpr int64_t kQkv = (kHeads + 2 * kKvHeads) * kHeadDim;
  const int64_t statistics = shape.norm == NormKind::kLayer ? 2 : 1;
  const int64_t normed_heads = shape.qk_norm ? (kHeads + kKvHeads) * (kHeadDim + 1) : 0;
  const int64_t inner = (shape.feed_forward == FeedForward::kSwiGlu ? 2 : 1) * kHidden;
  switch (recomputes) {
    case Recomputes::kNothing:  // x, h, qkv, statistics of two norms, normed heads and their rstd,
                                // lse; two norms, core, gate/up, hidden
      return {.input = 2 * kWidth + kQkv + 2 * statistics + normed_heads + kHeads,
              .weight = 2 * kWidth + kHeads * kHeadDim + inner + kHidden};
    case Recomputes::kSelected:  // x, h, qkv; gate/up
      return {.input = 2 * kWidth + kQkv, .weight = inner};
    case Recomputes::kBlocks:  // x
      return {.input = kWidth, .weight = 0};
  }
  return {};
}

int64_t Live(const MemoryStats& stats, MemoryCategory category) {
  return stats.current_bytes[static_cast<size_t>(category)];
}

class RecomputeForms : public testing::TestWithParam<std::tuple<DType, BackwardOrder>> {
 protected:
  StageRunOptions Options() const {
    return {.dtype = std::get<0>(GetParam()), .width = kWidth, .order = std::get<1>(GetParam())};
  }
};

TEST_P(RecomputeForms, ChangeNoBit) {
  for (const double dropout : {0.25, 0.0}) {
    Rig plain({.stage = Options(), .device = Cpu(), .dropout = dropout});
    plain.run().Step();
    for (const Form& form : AllForms()) {
      Rig rig({.form = form, .stage = Options(), .device = Cpu(), .dropout = dropout});
      for (int step = 0; step < 2; ++step) {
        rig.run().Step();
        EXPECT_EQ(rig.run().results(), plain.run().results())
            << ToString(form) << ", dropout " << dropout << ", step " << step;
      }
    }
  }
}

TEST_P(RecomputeForms, ChangeNoBitWhereEveryStreamIsAWorker) {
  Rig plain({.stage = Options(), .device = Cpu()});
  plain.run().Step();
  for (const Form& form : AllForms()) {
    Rig rig({.form = form, .stage = Options(), .device = Cpu(CpuStreams::kThreaded)});
    for (int step = 0; step < 3; ++step) rig.run().Step();
    EXPECT_EQ(rig.run().results(), plain.run().results()) << ToString(form);
  }
}

TEST_P(RecomputeForms, ChangeNoBitOfAnyFamily) {
  for (const DecoderShape& shape : AllFamilies()) {
    Rig plain({.shape = shape, .stage = Options(), .device = Cpu()});
    plain.run().Step();
    for (const Form& form : AllForms()) {
      Rig rig({.shape = shape, .form = form, .stage = Options(), .device = Cpu()});
      rig.run().Step();
      EXPECT_EQ(rig.run().results(), plain.run().results())
          << ToString(shape) << ", " << ToString(form);
    }
  }
}

TEST_P(RecomputeForms, HaveNoHazard) {
  for (const DecoderShape& shape : AllFamilies()) {
    for (const Form& form : AllForms()) {
      Rig rig({.shape = shape, .form = form, .stage = Options(), .device = Sim()});
      for (int step = 0; step < 3; ++step) rig.run().Step();
      for (const sim::Hazard& hazard : sim::FindHazards(*rig.device().trace())) {
        ADD_FAILURE() << ToString(shape) << ", " << ToString(form) << ": " << hazard.ToString();
      }
    }
  }
}

TEST_P(RecomputeForms, RepeatAddressesAndAskTheHeapForNothing) {
  for (const Form& form : AllForms()) {
    Rig rig({.form = form, .stage = Options(), .device = Cpu()});
    Allocator& allocator = rig.device().allocator();
    const int64_t live = allocator.stats().current_total_bytes;
    rig.run().Step();
    EXPECT_EQ(allocator.stats().current_total_bytes, live) << ToString(form);
    allocator.ResetAddressHash();
    rig.run().Step();
    const uint64_t second = allocator.address_hash();
    const int64_t heap = NumAllocations();
    for (int step = 0; step < 3; ++step) {
      allocator.ResetAddressHash();
      rig.run().Step();
      EXPECT_EQ(allocator.address_hash(), second) << ToString(form);
    }
    EXPECT_EQ(NumAllocations(), heap) << ToString(form);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Block, RecomputeForms,
    testing::Combine(testing::Values(DType::kF64, DType::kF32),
                     testing::Values(BackwardOrder::kWhole, BackwardOrder::kSplit)),
    [](const auto& forms) {
      return StrCat(Name(std::get<0>(forms.param)),
                    std::get<1>(forms.param) == BackwardOrder::kWhole ? "Whole" : "Split");
    });

// The second run of a forward pass issues its collectives again, in the same order on all ranks.
TEST(RecomputeFormsOverTensorParallelRanks, ChangeNoBit) {
  constexpr int kRanks = 2;
  for (const TensorParallelOptions& parallel :
       {TensorParallelOptions{.sequence_parallel = false},
        TensorParallelOptions{.sequence_parallel = true},
        TensorParallelOptions{.sequence_parallel = true, .token_parts = 2}}) {
    const StageRunOptions stage = {.token_ranks = parallel.sequence_parallel ? kRanks : 1,
                                   .order = BackwardOrder::kSplit};
    const auto results_of = [&](const Form& form) {
      std::array<StageRun::Bytes, kRanks> results;
      RunLocalRanks(kRanks, [&](Bootstrap& bootstrap) {
        Rig rig({.form = form,
                 .stage = stage,
                 .device = Cpu(),
                 .ranks = &bootstrap,
                 .parallel = parallel});
        for (int step = 0; step < 2; ++step) rig.run().Step();
        results[static_cast<size_t>(bootstrap.rank())] = rig.run().results();
      });
      return results;
    };
    const auto plain = results_of({});
    for (const Form& form : AllForms()) {
      EXPECT_EQ(results_of(form), plain)
          << ToString(form) << (parallel.sequence_parallel ? ", sequence parallel, " : ", ")
          << parallel.token_parts << " parts";
    }
  }
}

// 64 tokens of 8-byte elements: every tensor is a whole number of the allocator's pieces.
constexpr StageRunOptions kSizes = {.dtype = DType::kF64, .batch = 4, .length = 16, .width = 8};
constexpr int64_t kTokenBytes = 4 * 16 * 8;
constexpr int64_t kPasses = StageRun::kMicroBatches * kBlocks;

TEST(RecomputeMemory, WhatWaitsForBackwardIsTheFormula) {
  for (const DecoderShape& shape : AllFamilies()) {
    for (const auto recomputes :
         {Recomputes::kNothing, Recomputes::kSelected, Recomputes::kBlocks}) {
      SCOPED_TRACE(StrCat(ToString(shape), ", ", ToString(Form{recomputes})));
      const Kept kept = KeptPerToken(recomputes, shape);
      Rig rig({.shape = shape, .form = {recomputes}, .stage = kSizes, .device = Sim()});
      const MemoryStats stats = rig.run().ForwardOnly();
      EXPECT_EQ(Live(stats, MemoryCategory::kActivationsInput), kPasses * kTokenBytes * kept.input);
      EXPECT_EQ(Live(stats, MemoryCategory::kActivationsWeight),
                kPasses * kTokenBytes * kept.weight);
    }
  }
}

// Offloaded, the latest block's tensors stay and all the others' are away.
TEST(RecomputeMemory, OffloadKeepsOneBlock) {
  for (const auto recomputes : {Recomputes::kNothing, Recomputes::kSelected, Recomputes::kBlocks}) {
    const Kept kept = KeptPerToken(recomputes);
    Rig rig({.form = {recomputes, true}, .stage = kSizes, .device = Sim()});
    const MemoryStats stats = rig.run().ForwardOnly();
    EXPECT_EQ(Live(stats, MemoryCategory::kActivationsInput), kTokenBytes * kept.input);
    EXPECT_EQ(Live(stats, MemoryCategory::kActivationsWeight), kTokenBytes * kept.weight);
    EXPECT_EQ(rig.offload().host_bytes(), kPasses * kTokenBytes * kept.total());
  }
}

// Of a whole step. In backward one block at a time is as if nothing had been recomputed: of n
// passes in flight at least n - 1 show the difference.
TEST(RecomputeMemory, PeaksFallByTheFormula) {
  const auto peak = [](Recomputes recomputes) {
    Rig rig({.form = {recomputes}, .stage = kSizes, .device = Sim()});
    Allocator& allocator = rig.device().allocator();
    const int64_t before = allocator.stats().current_total_bytes;
    rig.run().Step();
    return allocator.stats().peak_total_bytes - before;
  };
  const int64_t none = peak(Recomputes::kNothing);
  for (const auto recomputes : {Recomputes::kSelected, Recomputes::kBlocks}) {
    const int64_t saving = kTokenBytes * (KeptPerToken(Recomputes::kNothing).total() -
                                          KeptPerToken(recomputes).total());
    EXPECT_GE(none - peak(recomputes), (kPasses - 1) * saving) << ToString({recomputes});
    EXPECT_LE(none - peak(recomputes), kPasses * saving) << ToString({recomputes});
  }
}

}  // namespace
}  // namespace cadmus
