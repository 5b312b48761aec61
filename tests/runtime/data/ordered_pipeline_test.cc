// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/ordered_pipeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

#include "tests/runtime/data/token_files.h"

namespace cadmus {
namespace {

using ::testing::HasSubstr;

// Numbers from 0 to `count` - 1, squared by `num_threads` threads of uneven speed.
OrderedPipeline<int64_t> Squares(int64_t count, int num_threads, std::vector<int64_t>& out) {
  return {.num_threads = num_threads,
          .max_weight = 5,
          .weight = [](int64_t) { return 1; },
          .produce = [count, next = int64_t{0}]() mutable -> std::optional<int64_t> {
            if (next == count) return std::nullopt;
            return next++;
          },
          .make_worker =
              [] {
                return [](int64_t& item) {
                  if (item % 7 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
                  item *= item;
                };
              },
          .consume = [&out](int64_t& item) { out.push_back(item); }};
}

TEST(OrderedPipeline, GivesItemsInTheOrderOfProductionForAnyNumberOfThreads) {
  for (int num_threads : {1, 2, 3, 8}) {
    std::vector<int64_t> out;
    RunOrdered(Squares(500, num_threads, out));
    ASSERT_EQ(out.size(), 500u);
    for (int64_t i = 0; i < 500; ++i) ASSERT_EQ(out[static_cast<size_t>(i)], i * i);
  }
}

TEST(OrderedPipeline, NothingToDoIsDone) {
  std::vector<int64_t> out;
  RunOrdered(Squares(0, 3, out));
  EXPECT_TRUE(out.empty());
}

TEST(OrderedPipeline, HoldsNoMoreThanItsWeight) {
  std::vector<int64_t> out;
  OrderedPipeline<int64_t> stages = Squares(300, 3, out);
  std::atomic<int64_t> in_flight = 0;
  int64_t most = 0;  // of the thread that produces
  stages.produce = [&, inner = stages.produce] {
    auto item = inner();
    // One beyond the limit waits in the producer's hands.
    if (item) most = std::max(most, ++in_flight);
    return item;
  };
  stages.consume = [&](int64_t&) { --in_flight; };
  RunOrdered(stages);
  EXPECT_LE(most, 5 + 1 + 1);
  EXPECT_GE(most, 2);
}

TEST(OrderedPipeline, AnItemHeavierThanTheLimitPassesAlone) {
  std::vector<int64_t> out;
  OrderedPipeline<int64_t> stages = Squares(10, 2, out);
  stages.weight = [](int64_t item) { return item == 4 ? 100 : 1; };
  RunOrdered(stages);
  EXPECT_EQ(out.size(), 10u);
}

TEST(OrderedPipeline, TellsTheFirstFailureInTheOrderOfItems) {
  for (int num_threads : {1, 4}) {
    std::vector<int64_t> out;
    OrderedPipeline<int64_t> stages = Squares(100, num_threads, out);
    stages.make_worker = [] {
      return [](int64_t& item) {
        if (item == 50) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        if (item >= 50) throw Error(Kind::kData, StrCat("item ", item, "."));
      };
    };
    ExpectError(Kind::kData, HasSubstr("item 50."), [&] { RunOrdered(stages); });
    EXPECT_EQ(out.size(), 50u);
  }
}

TEST(OrderedPipeline, CarriesFailuresOfTheOtherStages) {
  std::vector<int64_t> out;
  OrderedPipeline<int64_t> stages = Squares(100, 2, out);
  stages.produce = [inner = stages.produce]() mutable {
    auto item = inner();
    if (item == 20) throw Error(Kind::kData, "produce");
    return item;
  };
  ExpectError(Kind::kData, HasSubstr("produce"), [&] { RunOrdered(stages); });
  EXPECT_EQ(out.size(), 20u);

  stages = Squares(100, 2, out);
  stages.consume = [](int64_t&) { throw Error(Kind::kData, "consume"); };
  ExpectError(Kind::kData, HasSubstr("consume"), [&] { RunOrdered(stages); });

  stages = Squares(100, 2, out);
  stages.make_worker = []() -> std::function<void(int64_t&)> {
    throw Error(Kind::kData, "worker");
  };
  ExpectError(Kind::kData, HasSubstr("worker"), [&] { RunOrdered(stages); });
}

}  // namespace
}  // namespace cadmus
