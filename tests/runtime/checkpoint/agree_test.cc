// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/agree.h"

#include <gmock/gmock.h>

#include <atomic>
#include <stdexcept>

#include "collectives/local/local_world.h"
#include "tests/runtime/checkpoint/sharded_state.h"
#include "tests/runtime/formats/file_contents.h"

namespace cadmus {
namespace {

using ::testing::HasSubstr;

// Runs `body(world, stream)` on local ranks.
template <class Body>
void OnRanks(int num_ranks, const Body& body) {
  RunLocalRanks(num_ranks, [&](Bootstrap& bootstrap) {
    const auto device = OpenTestDevice();
    const auto stream = device->NewStream(StreamKind::kCompute, "compute");
    const auto world = bootstrap.Connect(*device);
    body(*world, *stream);
  });
}

std::string BytesOf(int rank, size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 256 + rank);
  return bytes;
}

TEST(AllGatherBytes, SizesMayDiffer) {
  for (const int num_ranks : {1, 2, 3}) {
    // 3 MiB and more take several rounds from two ranks on.
    const std::vector<size_t> sizes = {5'000'003, 0, 1};
    OnRanks(num_ranks, [&](Communicator& world, Stream& stream) {
      const std::vector<std::string> all =
          AllGatherBytes(BytesOf(world.rank(), sizes[world.rank()]), world, stream);
      ASSERT_EQ(all.size(), static_cast<size_t>(num_ranks));
      for (int rank = 0; rank < num_ranks; ++rank) {
        EXPECT_TRUE(all[rank] == BytesOf(rank, sizes[rank])) << rank;
      }
    });
  }
}

TEST(AllGatherBytes, NothingFromAnyRankIsNothing) {
  OnRanks(2, [](Communicator& world, Stream& stream) {
    EXPECT_EQ(AllGatherBytes("", world, stream), (std::vector<std::string>{"", ""}));
  });
}

TEST(Agree, ReturnsWhatEveryRankReturned) {
  OnRanks(3, [](Communicator& world, Stream& stream) {
    EXPECT_EQ(Agree([&] { return std::string(world.rank(), 'x'); }, world, stream),
              (std::vector<std::string>{"", "x", "xx"}));
  });
}

TEST(Agree, AllRanksThrowTheFirstFailure) {
  std::atomic<int> thrown = 0;
  OnRanks(3, [&](Communicator& world, Stream& stream) {
    const auto work = [&]() -> std::string {
      if (world.rank() == 0) return "fine";
      if (world.rank() == 1) throw Error(Kind::kOutOfMemory, "no room");
      throw std::runtime_error("something else");
    };
    EXPECT_EQ(MessageOf(Kind::kOutOfMemory, [&] { Agree(work, world, stream); }),
              "rank 1: no room");
    ++thrown;
    // The group works on.
    EXPECT_EQ(Agree([] { return std::string("y"); }, world, stream).size(), 3u);
  });
  EXPECT_EQ(thrown, 3);
}

}  // namespace
}  // namespace cadmus
