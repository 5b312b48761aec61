// SPDX-License-Identifier: Apache-2.0
// Every collective on memory that only its access reaches: loads and stores at its addresses fault.
#include "collectives/ordered/memory_access.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "collectives/local/local_transport.h"
#include "collectives/ordered/communication_worker.h"
#include "collectives/ordered/ordered_collectives.h"
#include "collectives/ordered/rank_order_sum.h"
#include "kernels/base/error.h"

namespace cadmus {
namespace {

constexpr int kRanks = 3;
constexpr int64_t kParts = 1000;  // elements of a part; many chunks of the workspace

// Addresses of the device: those of the host, moved to where nothing is mapped.
constexpr uintptr_t kFarAway = uintptr_t{1} << 60;
template <class Pointer>
Pointer FarAway(Pointer host) {
  return reinterpret_cast<Pointer>(reinterpret_cast<uintptr_t>(host) + kFarAway);
}
template <class Pointer>
Pointer Reached(Pointer address) {
  const auto bits = reinterpret_cast<uintptr_t>(address);
  return bits < kFarAway ? address : reinterpret_cast<Pointer>(bits - kFarAway);
}

class FarAccess final : public MemoryAccess {
 public:
  void Copy(void* to, const void* from, int64_t bytes) override {
    std::memcpy(Reached(to), Reached(from), static_cast<size_t>(bytes));
  }
  void SumInRankOrder(DType dtype, std::span<const void* const> inputs, void* output,
                      int64_t count) override {
    std::vector<const void*> reached(inputs.size());
    std::transform(inputs.begin(), inputs.end(), reached.begin(), Reached<const void*>);
    cadmus::SumInRankOrder(dtype, reached, Reached(output), count);
  }
  std::shared_ptr<void> NewHostMemory(int64_t bytes) override {
    return std::make_shared<std::vector<char>>(static_cast<size_t>(bytes));
  }
};

double Given(int rank, int64_t i) { return 1000 * rank + static_cast<double>(i); }

// One rank's buffers, as far-away addresses, and what it says in the group of all.
struct FarRank {
  int rank;
  std::vector<double> input, output;
  std::function<void(const CollectiveCall&)> run;

  CollectiveCall Call(CollectiveOp op, int64_t count, int peer = -1) {
    return {.op = op,
            .dtype = DType::kF64,
            .input = FarAway(input.data()),
            .output = FarAway(output.data()),
            .count = count,
            .peer = peer};
  }
};

void RunFarRanks(const std::function<void(FarRank&)>& body) {
  Mailboxes mailboxes(kRanks);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < kRanks; ++rank) {
    threads.emplace_back([&, rank] {
      LocalTransport transport(mailboxes, rank);
      CommunicationWorker worker(StrCat("rank ", rank));
      SendsInFlight sends(transport, worker);
      Exchange exchange(transport, sends);
      FarAccess access;
      std::array<char, 4096> room;
      const TensorView workspace(FarAway(room.data()), DType::kU8, {4096});
      const Membership group{.name = "all", .context = 1, .world_ranks = {0, 1, 2}, .rank = rank};
      FarRank far{
          .rank = rank, .input = {}, .output = std::vector<double>(kRanks * kParts), .run = {}};
      for (int64_t i = 0; i < kRanks * kParts; ++i) far.input.push_back(Given(rank, i));
      int64_t sequence = 0;
      far.run = [&](const CollectiveCall& call) {
        const CallInfo info = InfoOf({&call, 1}, group.name, sequence++);
        exchange.BeginCall(group, info, std::chrono::seconds(60), &access);
        RunOrdered({&call, 1}, group, info, {.workspace = workspace, .access = &access}, exchange);
      };
      body(far);
    });
  }
}

double SumOfRanks(int64_t i) { return Given(0, i) + Given(1, i) + Given(2, i); }

TEST(MemoryAccess, ReachesTheBuffersOfSums) {
  RunFarRanks([](FarRank& far) {
    CollectiveCall call = far.Call(CollectiveOp::kReduceScatter, kParts);
    far.run(call);
    for (int64_t i = 0; i < kParts; ++i) {
      ASSERT_EQ(far.output[static_cast<size_t>(i)], SumOfRanks(far.rank * kParts + i));
    }
    for (const int64_t count : {int64_t{3}, kRanks * kParts}) {  // whole buffers, and in chunks
      far.output = far.input;
      call = far.Call(CollectiveOp::kAllReduce, count);
      call.input = call.output;
      far.run(call);
      for (int64_t i = 0; i < count; ++i) {
        ASSERT_EQ(far.output[static_cast<size_t>(i)], SumOfRanks(i));
      }
    }
  });
}

TEST(MemoryAccess, ReachesTheBuffersOfMoves) {
  RunFarRanks([](FarRank& far) {
    for (const int64_t count : {int64_t{1}, kParts}) {  // also what mailboxes copy
      far.run(far.Call(CollectiveOp::kAllGather, count));
      for (int64_t i = 0; i < kRanks * count; ++i) {
        ASSERT_EQ(far.output[static_cast<size_t>(i)],
                  Given(static_cast<int>(i / count), i % count));
      }
      far.run(far.Call(CollectiveOp::kAllToAll, count));
      for (int64_t i = 0; i < kRanks * count; ++i) {
        ASSERT_EQ(far.output[static_cast<size_t>(i)],
                  Given(static_cast<int>(i / count), far.rank * count + i % count));
      }
      far.run(far.Call(CollectiveOp::kBroadcast, count, 1));
      if (far.rank == 1) continue;
      for (int64_t i = 0; i < count; ++i) {
        ASSERT_EQ(far.output[static_cast<size_t>(i)], Given(1, i));
      }
    }
    if (far.rank == 0) far.run(far.Call(CollectiveOp::kSend, kParts, 2));
    if (far.rank != 2) return;
    far.run(far.Call(CollectiveOp::kReceive, kParts, 0));
    EXPECT_EQ(far.output[kParts - 1], Given(0, kParts - 1));
  });
}

}  // namespace
}  // namespace cadmus
