// SPDX-License-Identifier: Apache-2.0
#include "launch/run/gpu_ranks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collectives/local/local_world.h"
#include "kernels/base/error.h"
#include "launch/config/run_config.pb.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kNccl228 = 22809;
constexpr int kNccl230 = 23007;

std::vector<int> GpusOfHost(int num_ranks, int num_visible) {
  std::vector<int> gpus;
  for (int rank = 0; rank < num_ranks; ++rank) {
    gpus.push_back(ChooseGpu({.local_rank = rank, .local_size = num_ranks}, num_visible));
  }
  return gpus;
}

TEST(ChooseGpu, EachRankTakesTheGpuOfItsNumber) {
  EXPECT_THAT(GpusOfHost(1, 1), ElementsAre(0));
  EXPECT_THAT(GpusOfHost(4, 4), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(GpusOfHost(2, 8), ElementsAre(0, 1));
}

TEST(ChooseGpu, NeighboursShareWhereThereAreTooFew) {
  EXPECT_THAT(GpusOfHost(4, 2), ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(GpusOfHost(5, 2), ElementsAre(0, 0, 0, 1, 1));
  EXPECT_THAT(GpusOfHost(3, 2), ElementsAre(0, 0, 1));
}

// srun --gpus-per-task=1 leaves each of eight ranks one GPU, numbered 0.
TEST(ChooseGpu, TakesTheOneThatTheLauncherHasLeft) {
  EXPECT_THAT(GpusOfHost(8, 1), ::testing::Each(0));
}

std::vector<GpuRank> Ranks(int num_ranks, int nccl_version) {
  std::vector<GpuRank> ranks;
  for (int rank = 0; rank < num_ranks; ++rank) {
    ranks.push_back({.gpu = StrCat("GPU-", rank), .nccl_version = nccl_version});
  }
  return ranks;
}

class ChooseTransportTest : public ::testing::Test {
 protected:
  ChosenTransport Choose(const std::vector<GpuRank>& ranks, const std::string& problem = "") {
    return ChooseTransport(config_, ranks, problem);
  }
  std::string Refusal(const std::vector<GpuRank>& ranks, const std::string& problem = "") {
    try {
      Choose(ranks, problem);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kConfig);
      return error.message();
    }
    ADD_FAILURE() << "not refused";
    return "";
  }
  void Ask(CommunicationConfig::Transport transport) {
    config_.mutable_communication()->set_transport(transport);
  }

  RunConfig config_;
};

TEST_F(ChooseTransportTest, NcclWhereEveryRankFindsIt) {
  for (const auto asked : {CommunicationConfig::AUTO, CommunicationConfig::NCCL}) {
    Ask(asked);
    const ChosenTransport chosen = Choose(Ranks(4, kNccl228));
    EXPECT_EQ(chosen.transport, TransportKind::kNccl);
    EXPECT_EQ(chosen.words, "NCCL 2.28.9");
  }
}

TEST_F(ChooseTransportTest, MpiWhereItIsAskedFor) {
  Ask(CommunicationConfig::MPI);
  const ChosenTransport chosen = Choose(Ranks(4, kNccl228));
  EXPECT_EQ(chosen.transport, TransportKind::kInRankOrder);
  EXPECT_EQ(chosen.words, "MPI, staged in host memory");
}

TEST_F(ChooseTransportTest, WithoutNcclMpiServesAndSaysWhy) {
  std::vector<GpuRank> ranks = Ranks(4, kNccl228);
  ranks[2].nccl_version = 0;
  EXPECT_EQ(Choose(ranks).transport, TransportKind::kInRankOrder);
  EXPECT_THAT(Choose(ranks).words, HasSubstr("rank 2 finds no NCCL"));
  EXPECT_THAT(Choose(ranks, "libnccl.so.2 is missing").words, HasSubstr("libnccl.so.2 is missing"));
  Ask(CommunicationConfig::NCCL);
  EXPECT_THAT(Refusal(ranks), HasSubstr("transport = NCCL, but rank 2 finds no NCCL"));
}

TEST_F(ChooseTransportTest, VersionsThatDifferAreRefused) {
  std::vector<GpuRank> ranks = Ranks(4, kNccl230);
  ranks[3].nccl_version = kNccl228;
  EXPECT_THAT(Refusal(ranks), AllOf(HasSubstr("rank 0 finds NCCL 2.30.7 and rank 3 NCCL 2.28.9"),
                                    HasSubstr("communication.transport = MPI")));
  Ask(CommunicationConfig::MPI);
  EXPECT_EQ(Choose(ranks).transport, TransportKind::kInRankOrder);
}

class SharedGpus : public ChooseTransportTest {
 protected:
  SharedGpus() : ranks_(Ranks(4, kNccl230)) { ranks_[3].gpu = ranks_[1].gpu; }
  void AllowSharing() { config_.mutable_device()->set_share_gpu(true); }

  std::vector<GpuRank> ranks_;
};

TEST_F(SharedGpus, AreRefusedWithTheRemedyUnlessAskedFor) {
  for (const auto asked : {CommunicationConfig::AUTO, CommunicationConfig::MPI}) {
    Ask(asked);
    EXPECT_THAT(Refusal(ranks_), AllOf(HasSubstr("ranks 1 and 3 would both take GPU-1"),
                                       HasSubstr("device.share_gpu = true")));
  }
}

TEST_F(SharedGpus, GoOverMpiWhereNcclCannot) {
  AllowSharing();
  EXPECT_EQ(Choose(ranks_).transport, TransportKind::kInRankOrder);
  EXPECT_THAT(Choose(ranks_).words, HasSubstr("NCCL_MULTI_RANK_GPU_ENABLE=1"));
  Ask(CommunicationConfig::NCCL);
  EXPECT_THAT(Refusal(ranks_), HasSubstr("NCCL 2.30 or newer"));
}

TEST_F(SharedGpus, GoOverAnNcclThatIsToldTo) {
  AllowSharing();
  for (GpuRank& rank : ranks_) rank.nccl_shares_gpu = true;
  for (const auto asked : {CommunicationConfig::AUTO, CommunicationConfig::NCCL}) {
    Ask(asked);
    EXPECT_EQ(Choose(ranks_).transport, TransportKind::kNccl);
  }
}

TEST(NcclSharesGpus, TakesVersionAndVariable) {
  EXPECT_TRUE(NcclSharesGpus(kNccl230, "1"));
  EXPECT_FALSE(NcclSharesGpus(kNccl230, ""));
  EXPECT_FALSE(NcclSharesGpus(kNccl230, "0"));
  EXPECT_FALSE(NcclSharesGpus(kNccl228, "1"));
}

TEST(ExchangeGpuRanks, TellsEveryRankOfAll) {
  const std::string uuid = "GPU-8f3a1c2d-0b4e-4f6a-9c8d-7e6f5a4b3c2";
  RunLocalRanks(3, [&](Bootstrap& rank) {
    const GpuRank mine = {.gpu = StrCat(uuid, rank.rank()),
                          .nccl_version = kNccl228 + rank.rank(),
                          .nccl_shares_gpu = rank.rank() == 2};
    const std::vector<GpuRank> ranks = ExchangeGpuRanks(mine, RunConfig(), rank);
    ASSERT_EQ(ranks.size(), 3u);
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(ranks[static_cast<size_t>(i)].gpu, StrCat(uuid, i));
      EXPECT_EQ(ranks[static_cast<size_t>(i)].nccl_version, kNccl228 + i);
      EXPECT_EQ(ranks[static_cast<size_t>(i)].nccl_shares_gpu, i == 2);
    }
  });
}

TEST(ExchangeGpuRanks, RefusesConfigsThatWouldPart) {
  RunLocalRanks(2, [](Bootstrap& rank) {
    RunConfig config;
    if (rank.rank() == 1) config.mutable_communication()->set_transport(CommunicationConfig::MPI);
    try {
      ExchangeGpuRanks({}, config, rank);
      ADD_FAILURE() << "not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kConfig);
      EXPECT_THAT(error.message(), HasSubstr("give every rank the same config"));
    }
  });
}

TEST(PlannedTransport, IsNcclAmongGpusUnlessMpiIsAskedFor) {
  RunConfig config;
  EXPECT_EQ(PlannedTransport(config, 8), TransportKind::kInRankOrder);
  config.mutable_device()->set_kind(DeviceConfig::CUDA);
  EXPECT_EQ(PlannedTransport(config, 8), TransportKind::kNccl);
  EXPECT_EQ(PlannedTransport(config, 1), TransportKind::kInRankOrder);
  config.mutable_communication()->set_transport(CommunicationConfig::MPI);
  EXPECT_EQ(PlannedTransport(config, 8), TransportKind::kInRankOrder);
}

TEST(MakeCommunicatorOptions, NcclNeedsLittleRoomOfItsOwn) {
  RunConfig config;
  config.mutable_communication()->set_time_limit_seconds(2.5);
  EXPECT_EQ(MakeCommunicatorOptions(config, TransportKind::kInRankOrder, 8).workspace_bytes,
            CommunicatorOptions().workspace_bytes);
  EXPECT_EQ(MakeCommunicatorOptions(config, TransportKind::kNccl, 8).workspace_bytes, 4096);
  EXPECT_EQ(MakeCommunicatorOptions(config, TransportKind::kNccl, 100'000).workspace_bytes,
            800'000);
  EXPECT_EQ(MakeCommunicatorOptions(config, TransportKind::kNccl, 8).limit,
            std::chrono::milliseconds(2500));
}

}  // namespace
}  // namespace cadmus
