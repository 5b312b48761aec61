// SPDX-License-Identifier: Apache-2.0
#include "collectives/local/local_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "kernels/cpu/stream.h"
#include "kernels/open_device.h"

namespace cadmus {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::seconds kWait(60);

std::unique_ptr<Device> OpenTestDevice() {
  DeviceOptions options;
  options.memory_bytes = int64_t{64} << 20;
  options.pool = MakeThreadPool(1);
  return OpenDevice(options);
}

template <class Call>
std::string FailureOf(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kCommunication) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

TEST(RunLocalRanks, LabelsEachRank) {
  std::vector<std::string> labels(3);
  RunLocalRanks(3, [&](Bootstrap& bootstrap) {
    EXPECT_EQ(bootstrap.size(), 3);
    EXPECT_EQ(bootstrap.local_rank(), bootstrap.rank());
    EXPECT_EQ(bootstrap.local_size(), 3);
    labels[static_cast<size_t>(bootstrap.rank())] = RankLabel();
  });
  EXPECT_EQ(labels, (std::vector<std::string>{"rank 0", "rank 1", "rank 2"}));
}

TEST(RunLocalRanks, RethrowsTheFirstFailureAndFreesTheOthers) {
  std::atomic<int> num_freed = 0;
  try {
    RunLocalRanks(4, [&](Bootstrap& bootstrap) {
      const auto device = OpenTestDevice();
      const auto stream = device->NewStream(StreamKind::kCompute, "test");
      if (bootstrap.rank() == 2) throw Error(Kind::kNumerics, "the loss is not finite");
      // Each wait may take minutes.
      const std::string message =
          FailureOf([&] { bootstrap.Connect(*device)->Barrier("step", *stream); });
      EXPECT_THAT(message, HasSubstr("rank 2 has failed: rank 2: numerics error"));
      ++num_freed;
    });
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kNumerics);
    EXPECT_THAT(error.what(), HasSubstr("rank 2: numerics error: the loss is not finite"));
  }
  EXPECT_EQ(num_freed, 3);
}

TEST(LocalBootstrap, AbortFreesThePeers) {
  RunLocalRanks(2, [&](Bootstrap& bootstrap) {
    const auto device = OpenTestDevice();
    if (bootstrap.rank() == 0) {
      bootstrap.Abort(7);
    } else {
      EXPECT_THAT(FailureOf([&] { bootstrap.Connect(*device); }),
                  HasSubstr("rank 0 aborted with exit code 7"));
    }
  });
}

// One rank is lost for good; the others revoke, rebuild without it, twice, and go on.
TEST(LocalCommunicator, SurvivorsRevokeAndRebuild) {
  RunLocalRanks(4, [&](Bootstrap& bootstrap) {
    const auto device = OpenTestDevice();
    const auto world = bootstrap.Connect(*device);
    const std::vector<int> all = {0, 1, 2, 3};
    const auto group = world->MakeGroup(all, "dp_replicate");
    const auto stream = device->NewStream(StreamKind::kCompute, "test");
    Tensor buffer(DType::kF64, {100000}, MemoryCategory::kGradients, *stream);
    const auto fill = [&] {
      for (int64_t i = 0; i < 100000; ++i) buffer.view().data<double>()[i] = 1 + bootstrap.rank();
    };
    fill();
    world->Barrier("all have made the group", *stream);
    if (bootstrap.rank() == 3) return;  // lost
    if (bootstrap.rank() == 0) {
      group->Revoke("rank 3 is lost");
      EXPECT_THAT(FailureOf([&] { group->AllReduce({.buffer = buffer}, *stream); }),
                  HasSubstr("revoked: rank 3 is lost"));
    } else {
      // Waits for minutes, were it not for the revocation.
      EXPECT_THAT(FailureOf([&] { group->AllReduce({.buffer = buffer}, *stream); }),
                  HasSubstr("revoked: rank 3 is lost"));
    }
    const std::vector<int> survivors = {0, 1, 2};
    const auto rebuilt = group->Rebuild(1, survivors);
    EXPECT_EQ(rebuilt->name(), "dp_replicate");
    EXPECT_EQ(rebuilt->size(), 3);
    fill();
    rebuilt->AllReduce({.buffer = buffer, .site = "after"}, *stream);
    EXPECT_EQ(buffer.view().data<double>()[99999], 6);
    if (bootstrap.rank() == 1) return;
    const std::vector<int> last = {2, 0};
    const auto again = rebuilt->Rebuild(1, last);
    fill();
    again->AllReduce({.buffer = buffer, .site = "after"}, *stream);
    EXPECT_EQ(buffer.view().data<double>()[0], 4);
    EXPECT_EQ(again->rank(), bootstrap.rank() == 2 ? 0 : 1);
  });
}

TEST(LocalCommunicator, ACallBehindFailedWorkIsGivenUp) {
  RunLocalRanks(2, [&](Bootstrap& bootstrap) {
    const auto device = OpenTestDevice();
    const auto world = bootstrap.Connect(*device);
    const std::vector<int> all = {0, 1};
    const auto group = world->MakeGroup(
        all, "dp_replicate", {.limit = std::chrono::milliseconds(300), .workspace_bytes = 4096});
    const auto stream = device->NewStream(StreamKind::kCommunication, "failing");
    if (bootstrap.rank() == 0) {
      cpu::Run(*stream, [] { throw Error(Kind::kNumerics, "before the call"); });
    }
    group->Barrier("step", *stream);
    try {
      stream->Synchronize(kWait);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), bootstrap.rank() == 0 ? Kind::kNumerics : Kind::kCommunication);
    }
    // The worker is free for other groups, and this one says why it is not.
    const auto other = device->NewStream(StreamKind::kCompute, "other");
    world->Barrier("other groups go on", *other);
    EXPECT_THAT(FailureOf([&] { group->Barrier("later", *other); }),
                HasSubstr(bootstrap.rank() == 0 ? "its stream had failed before" : "for rank 0"));
  });
}

TEST(LocalCommunicator, ARevocationEndsSendsInFlight) {
  RunLocalRanks(2, [&](Bootstrap& bootstrap) {
    const auto device = OpenTestDevice();
    const auto world = bootstrap.Connect(*device);
    const std::vector<int> all = {0, 1};
    const auto group = world->MakeGroup(all, "pp");
    const auto sending = device->NewStream(StreamKind::kCommunication, "sending");
    const auto stream = device->NewStream(StreamKind::kCompute, "test");
    const Tensor message(DType::kF64, {100000}, MemoryCategory::kActivationsInput, *stream);
    device->FillZero(message, *stream);
    if (bootstrap.rank() == 0) {
      group->Send({.buffer = message, .peer = 1, .site = "activations"}, *sending);
    }
    if (bootstrap.rank() == 0) {
      // Its stream reaches it when it pleases.
      const std::string running = "pp: send #0 'activations' (781.2 KiB of F64): running for ";
      const auto deadline = std::chrono::steady_clock::now() + kWait;
      while (bootstrap.recorder().Dump().find(running) == std::string::npos) {
        ASSERT_LT(std::chrono::steady_clock::now(), deadline) << bootstrap.recorder().Dump();
        std::this_thread::yield();
      }
    }
    world->Barrier("the send is under way", *stream);
    if (bootstrap.rank() == 1) {
      group->Revoke("rank 1 gives up");
    } else {
      EXPECT_THAT(FailureOf([&] { sending->Synchronize(kWait); }),
                  HasSubstr("send #0 'activations' (781.2 KiB of F64) at rank 0: revoked: rank 1 "
                            "gives up"));
    }
    world->Barrier("other groups go on", *stream);
  });
}

TEST(RunLocalRanks, AFailedRankEndsTheSendsInFlightToIt) {
  EXPECT_THAT(FailureOf([&] {
                RunLocalRanks(2, [&](Bootstrap& bootstrap) {
                  const auto device = OpenTestDevice();
                  const auto world = bootstrap.Connect(*device);
                  const auto sending = device->NewStream(StreamKind::kCommunication, "sending");
                  const Tensor message(DType::kF64, {100000}, MemoryCategory::kGradients, *sending);
                  device->FillZero(message, *sending);
                  if (bootstrap.rank() == 0) {
                    world->Send({.buffer = message, .peer = 1, .site = "activations"}, *sending);
                    EXPECT_THAT(FailureOf([&] { sending->Synchronize(kWait); }),
                                HasSubstr("rank 1 has failed"));
                  } else {
                    throw Error(Kind::kCommunication, "the peer is lost");
                  }
                });
              }),
              HasSubstr("the peer is lost"));
}

}  // namespace
}  // namespace cadmus
