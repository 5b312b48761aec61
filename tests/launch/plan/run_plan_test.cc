// SPDX-License-Identifier: Apache-2.0
// The plan is the run (P5): what is planned is what ranks that really train have used.
#include "launch/plan/run_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "collectives/local/local_world.h"
#include "kernels/device/trace.h"
#include "launch/config/run_config.pb.h"
#include "models/llama/shape.h"
#include "runtime/data/data_sidecar.h"
#include "runtime/mesh/make_mesh.h"
#include "tests/launch/run/training_fixture.h"

namespace cadmus {
namespace {

using testing::HasSubstr;

// What one rank has used by the end of its second step, and what it issued in it.
struct Measured {
  MemoryStats memory;
  std::vector<CollectiveTotal> collectives;
};

std::vector<Measured> TrainAndMeasure(const RunConfig& config,
                                      const std::shared_ptr<const IndexedDataset>& data,
                                      int num_ranks) {
  const auto pool = MakeThreadPool(1);
  std::vector<Measured> ranks(static_cast<size_t>(num_ranks));
  RunLocalRanks(num_ranks, [&](Bootstrap& bootstrap) {
    const auto device = OpenTestDevice(pool);
    const auto world = bootstrap.Connect(*device);
    TrainingJob job(config, *device, *world);
    const GlobalBatch batches(data, job.loader_options());
    StepBatch batch = batches.Allocate();
    batches.Fill(0, batch);
    job.step().Run(batch, StopRequest::kNo);
    Trace trace;
    device->set_trace(&trace);
    batches.Fill(1, batch);
    job.step().Run(batch, StopRequest::kNo);
    device->set_trace(nullptr);
    ranks[static_cast<size_t>(bootstrap.rank())] = {.memory = device->allocator().stats(),
                                                    .collectives = SumCollectives(trace)};
  });
  return ranks;
}

class RunPlanTest : public testing::Test {
 protected:
  RunPlanTest() : config_(TinyRun()), data_(UnevenDocuments(folder_.path(), 131)) {}

  LlamaConfig& llama() { return *config_.mutable_model()->mutable_llama(); }

  // Every rank of a real run against the plan of its pipeline rank: the recorded rank to the byte,
  // the others but for padding.
  void ExpectPlanIsRun(int num_ranks, const std::string& what) const {
    const RunPlan plan = MakePlan(config_, num_ranks);
    const Mesh mesh = MakeMesh(config_.parallel(), num_ranks);
    const std::vector<Measured> measured = TrainAndMeasure(config_, data_, num_ranks);
    for (int rank = 0; rank < num_ranks; ++rank) {
      const PipelineRankPlan& planned =
          plan.pipeline_ranks.at(static_cast<size_t>(mesh.Coordinate(rank, Axis::kPp)));
      const double tolerance = rank == planned.rank ? 0 : 0.02;
      const MemoryStats& memory = planned.record.memory;
      const Measured& real = measured[static_cast<size_t>(rank)];
      const std::string where = StrCat(what, ", rank ", rank, " of ", num_ranks);
      const auto expect_near = [&](int64_t is, int64_t should_be, std::string_view name) {
        EXPECT_NEAR(static_cast<double>(is), static_cast<double>(should_be),
                    tolerance * static_cast<double>(should_be))
            << where << ": " << name;
      };
      for (int i = 0; i < kNumMemoryCategories; ++i) {
        const auto category = static_cast<size_t>(i);
        expect_near(memory.peak_bytes[category], real.memory.peak_bytes[category],
                    Name(static_cast<MemoryCategory>(i)));
      }
      expect_near(memory.peak_total_bytes, real.memory.peak_total_bytes, "total");
      expect_near(memory.high_water_bytes, real.memory.high_water_bytes, "high water");
      EXPECT_EQ(planned.record.collectives, real.collectives) << where;
    }
  }

  // A fresh layout of four layers on `num_ranks` ranks, after `change`.
  void ExpectLayoutIsRun(const std::string& what, int num_ranks,
                         const std::function<void(RunConfig&)>& change) {
    config_ = TinyRun();
    llama().set_num_hidden_layers(4);
    change(config_);
    ExpectPlanIsRun(num_ranks, what);
  }

  TemporaryFolder folder_;
  RunConfig config_;
  std::shared_ptr<const IndexedDataset> data_;
};

TEST_F(RunPlanTest, MemoryAndCommunicationAreThoseOfTheRun) {
  for (const int ranks : {1, 2, 3, 4, 6}) {
    for (const int micro_batch_size : {1, 2, 3}) {
      if (12 % (ranks * micro_batch_size) != 0) continue;
      config_.mutable_train()->set_micro_batch_size(micro_batch_size);
      ExpectPlanIsRun(ranks, StrCat("micro-batches of ", micro_batch_size));
    }
  }
}

TEST_F(RunPlanTest, MemoryAndCommunicationFollowTheModelAndTheBuckets) {
  llama().set_tie_word_embeddings(true);
  ExpectPlanIsRun(2, "tied");
  llama().set_dropout(0);
  ExpectPlanIsRun(2, "tied, no dropout");
  config_.mutable_train()->set_bucket_mib(0.01);
  ExpectPlanIsRun(2, "small buckets");
  config_.mutable_train()->set_overlap_reduction(false);
  ExpectPlanIsRun(2, "no overlap");
  config_.mutable_precision()->set_storage(PrecisionConfig::F32);
  ExpectPlanIsRun(3, "f32");
  config_.mutable_precision()->set_storage(PrecisionConfig::BF16);
  ExpectPlanIsRun(3, "bf16");
}

TEST_F(RunPlanTest, OnAGpuItCountsTheWorkspaceOfTheGpusProducts) {
  const auto workspace = [this] {
    const RunPlan plan = MakePlan(config_, 1);
    const MemoryStats& memory = plan.pipeline_ranks.front().record.memory;
    return memory.peak_bytes[static_cast<size_t>(MemoryCategory::kWorkspace)];
  };
  constexpr int64_t kOfAProduct = int64_t{32} << 20;
  EXPECT_LT(workspace(), kOfAProduct);
  config_.mutable_device()->set_kind(DeviceConfig::CUDA);
  EXPECT_GE(workspace(), kOfAProduct);
}

TEST_F(RunPlanTest, OnAGpuItEstimatesContextAndLibrariesBesideTheSlab) {
  EXPECT_EQ(MakePlan(config_, 2).gpu_bytes(), 0);
  config_.mutable_device()->set_kind(DeviceConfig::CUDA);
  const RunPlan plan = MakePlan(config_, 2);
  const ContextMemory& context = plan.pipeline_ranks.front().record.context;
  EXPECT_EQ(context.context_bytes, EstimateCudaContextBytes(MultiprocessorsOf(90)));
  EXPECT_EQ(context.nccl_bytes, 2 * kNcclGroupBytes);  // the world and dp_replicate
  EXPECT_EQ(plan.gpu_bytes(), plan.memory_limit_bytes + context.total_bytes());
  EXPECT_EQ(MakePlan(config_, 1).pipeline_ranks.front().record.context.nccl_bytes, 0);
}

// Ordered sums go through 8 MiB of every group; NCCL's groups have 4 KiB, and as much to meet.
TEST_F(RunPlanTest, OnGpusItCountsTheBuffersOfTheTransport) {
  const auto communication = [this] {
    constexpr auto kCategory = static_cast<size_t>(MemoryCategory::kCommunication);
    return MakePlan(config_, 2).pipeline_ranks.front().record.memory.peak_bytes[kCategory];
  };
  config_.mutable_device()->set_kind(DeviceConfig::CUDA);
  const int64_t nccl = communication();
  config_.mutable_communication()->set_transport(CommunicationConfig::MPI);
  EXPECT_EQ(communication() - nccl, 2 * ((int64_t{8} << 20) - 2 * 4096));
}

TEST_F(RunPlanTest, EveryZeroStageWithTensorAndPipelineRanksIsTheRun) {
  for (const int zero : {1, 2, 3}) {
    for (const int tp : {1, 2}) {
      for (const int pp : {1, 2}) {
        ExpectLayoutIsRun(StrCat("zero ", zero, ", tp ", tp, ", pp ", pp), 2 * tp * pp,
                          [&](RunConfig& config) {
                            ParallelConfig& parallel = *config.mutable_parallel();
                            parallel.set_zero(zero);
                            parallel.set_dp_shard(2);
                            parallel.set_tp(tp);
                            parallel.set_pp(pp);
                          });
      }
    }
    ExpectLayoutIsRun(StrCat("hsdp, zero ", zero), 4, [&](RunConfig& config) {
      config.mutable_parallel()->set_zero(zero);
      config.mutable_parallel()->set_dp_replicate(2);
      config.mutable_parallel()->set_dp_shard(2);
    });
  }
}

TEST_F(RunPlanTest, Bf16WeightsAndTheirShardedMastersAreTheRun) {
  for (const int zero : {1, 2, 3}) {
    ExpectLayoutIsRun(StrCat("bf16, zero ", zero), 4, [&](RunConfig& config) {
      config.mutable_precision()->set_storage(PrecisionConfig::BF16);
      config.mutable_parallel()->set_zero(zero);
      config.mutable_parallel()->set_dp_shard(2);
      config.mutable_parallel()->set_tp(2);
    });
  }
}

TEST_F(RunPlanTest, EveryScheduleIsTheRun) {
  for (int schedule = 0; schedule <= ParallelConfig::DUAL_PIPE_V; ++schedule) {
    for (const int zero : {1, 3}) {
      ExpectLayoutIsRun(StrCat("schedule ", schedule, ", zero ", zero), 4, [&](RunConfig& config) {
        ParallelConfig& parallel = *config.mutable_parallel();
        parallel.set_schedule(static_cast<ParallelConfig::Schedule>(schedule));
        parallel.set_zero(zero);
        parallel.set_dp_shard(2);
        parallel.set_pp(2);
      });
    }
  }
}

TEST_F(RunPlanTest, EverySwitchIsTheRun) {
  const auto with = [&](const std::string& what, int ranks, const auto& change) {
    ExpectLayoutIsRun(what, ranks, [&](RunConfig& config) {
      change(config, *config.mutable_parallel(), *config.mutable_train());
    });
  };
  with("selective recomputation", 2, [](auto&, auto& parallel, auto& train) {
    parallel.set_pp(2);
    train.set_recompute(TrainConfig::SELECTIVE);
  });
  with("full recomputation", 4, [](auto&, auto& parallel, auto& train) {
    parallel.set_pp(2);
    parallel.set_tp(2);
    train.set_recompute(TrainConfig::FULL);
  });
  with("one block recomputed", 2, [](auto&, auto& parallel, auto& train) {
    parallel.set_tp(2);
    train.set_recompute(TrainConfig::FULL);
    train.set_recompute_blocks(1);
  });
  with("offloaded activations", 2, [](auto&, auto& parallel, auto& train) {
    parallel.set_pp(2);
    train.set_offload_activations(true);
  });
  with("tied over two stages", 4, [](auto& config, auto& parallel, auto&) {
    config.mutable_model()->mutable_llama()->set_tie_word_embeddings(true);
    parallel.set_pp(2);
    parallel.set_tp(2);
  });
  with("uneven stages", 2, [](auto&, auto& parallel, auto&) {
    parallel.set_pp(2);
    parallel.add_blocks_per_stage(3);
    parallel.add_blocks_per_stage(1);
  });
  with("whole residuals", 2, [](auto&, auto& parallel, auto&) {
    parallel.set_tp(2);
    parallel.set_sequence_parallel(false);
  });
  with("tokens in two parts", 2, [](auto&, auto& parallel, auto&) {
    parallel.set_tp(2);
    parallel.set_token_parts(2);
  });
  with("fewer key/value heads than ranks", 4,
       [](auto&, auto& parallel, auto&) { parallel.set_tp(4); });
}

TEST_F(RunPlanTest, ExecutedFlopsAreThoseOfTheModelWhereNothingIsDoneTwice) {
  for (const int ranks : {1, 3}) {
    const RunPlan plan = MakePlan(config_, ranks);
    const double per_sample = TrainingFlops(MakeShape(llama()), plan.sequence_length);
    EXPECT_DOUBLE_EQ(plan.model_flops, per_sample * 12);
    EXPECT_DOUBLE_EQ(plan.executed_flops, plan.model_flops);
  }
}

TEST_F(RunPlanTest, SaysWhatAStepIs) {
  config_.mutable_train()->set_micro_batch_size(2);
  const RunPlan plan = MakePlan(config_, 3);
  EXPECT_EQ(plan.world_size, 3);
  EXPECT_EQ(plan.layout.dp_replicate, 3);
  EXPECT_EQ(plan.schedule, "");
  EXPECT_EQ(plan.zero, 0);
  EXPECT_EQ(plan.num_parameters, NumParameters(MakeShape(llama())));
  EXPECT_EQ(plan.num_micro_batches, 2);
  EXPECT_EQ(plan.tokens_per_step(), 12 * 24);
  ASSERT_EQ(plan.pipeline_ranks.size(), 1u);
  EXPECT_EQ(plan.pipeline_ranks[0].rank, 0);
  EXPECT_EQ(plan.pipeline_ranks[0].record.num_parameters, plan.num_parameters);
}

TEST_F(RunPlanTest, FitsUpToTheLastByteOfTheDevice) {
  const int64_t needed = MakePlan(config_, 1).largest_memory_bytes();
  const auto gib = [](int64_t bytes) { return std::ldexp(static_cast<double>(bytes), -30); };
  config_.mutable_device()->set_memory_gib(gib(needed));
  EXPECT_TRUE(MakePlan(config_, 1).fits());
  config_.mutable_device()->set_memory_gib(gib(needed - 1));
  EXPECT_FALSE(MakePlan(config_, 1).fits());
}

TEST_F(RunPlanTest, NeedsNoDataButAVocabulary) {
  config_.mutable_data()->clear_path();
  const int64_t parameters = MakePlan(config_, 2).num_parameters;
  llama().clear_vocab_size();
  try {
    MakePlan(config_, 2);
    ADD_FAILURE() << "no vocabulary";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Kind::kConfig);
    EXPECT_THAT(e.what(), HasSubstr("model.llama.vocab_size is not set"));
  }
  config_.mutable_data()->set_path(folder_ / "elsewhere");
  WriteSidecar(config_.data().path(), {.vocab_size = 131});
  EXPECT_EQ(MakePlan(config_, 2).num_parameters, parameters);
}

TEST_F(RunPlanTest, RefusesWhatARunRefuses) {
  EXPECT_THROW(MakePlan(config_, 5), Error);  // 12 samples
  EXPECT_THROW(MakePlan(config_, 0), Error);
  config_.mutable_train()->clear_steps();
  EXPECT_THROW(MakePlan(config_, 1), Error);
  config_.clear_model();
  EXPECT_THROW(MakePlan(config_, 1), Error);
}

TEST(WorldSizeOf, IsTheProductOfTheAxes) {
  RunConfig config;
  EXPECT_EQ(WorldSizeOf(config), 1);
  ParallelConfig& parallel = *config.mutable_parallel();
  parallel.set_pp(16);
  parallel.set_tp(8);
  EXPECT_EQ(WorldSizeOf(config), 128);
  parallel.set_dp_shard(512);
  parallel.set_dp_replicate(2);
  EXPECT_EQ(WorldSizeOf(config), 131072);
  parallel.set_cp_ring(1 << 30);  // more than a world has: the mesh says so
  EXPECT_EQ(WorldSizeOf(config), kMaxWorldSize + 1);
}

}  // namespace
}  // namespace cadmus
