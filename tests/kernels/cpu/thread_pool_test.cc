// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/thread_pool.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/base/error.h"

namespace cadmus::cpu {
namespace {

class ThreadPoolTest : public ::testing::TestWithParam<int> {
 protected:
  ThreadPool pool_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, ::testing::Values(1, 2, 3, 8));

TEST_P(ThreadPoolTest, ExecutesEachTaskOnce) {
  EXPECT_EQ(pool_.num_threads(), GetParam());
  for (int64_t num_tasks : {0, 1, 2, 7, 1000}) {
    for (int round = 0; round < 20; ++round) {
      std::vector<int> runs(static_cast<size_t>(num_tasks), 0);
      pool_.ParallelFor(num_tasks, [&](int64_t task) { ++runs[static_cast<size_t>(task)]; });
      EXPECT_EQ(runs, std::vector<int>(static_cast<size_t>(num_tasks), 1));
    }
  }
}

TEST_P(ThreadPoolTest, NestedCallsRunInline) {
  std::vector<int> sums(10, 0);
  pool_.ParallelFor(10, [&](int64_t outer) {
    const auto thread = std::this_thread::get_id();
    pool_.ParallelFor(10, [&](int64_t inner) {
      EXPECT_EQ(std::this_thread::get_id(), thread);
      sums[static_cast<size_t>(outer)] += static_cast<int>(inner);
    });
  });
  EXPECT_EQ(sums, std::vector<int>(10, 45));
}

TEST_P(ThreadPoolTest, TheLowestFailingTaskIsRethrownAndThePoolGoesOn) {
  for (int round = 0; round < 50; ++round) {
    try {
      pool_.ParallelFor(100, [](int64_t task) {
        if (task % 10 == 7) throw std::runtime_error(std::to_string(task));
      });
      FAIL() << "an exception was expected";
    } catch (const std::runtime_error& e) {
      EXPECT_STREQ(e.what(), "7");
    }
  }
  std::atomic<int> count = 0;
  pool_.ParallelFor(100, [&](int64_t) { ++count; });
  EXPECT_EQ(count, 100);
}

TEST_P(ThreadPoolTest, SeveralCallersShareIt) {
  std::vector<int64_t> sums(4, 0);
  {
    std::vector<std::jthread> callers;
    for (size_t caller = 0; caller < sums.size(); ++caller) {
      callers.emplace_back([&, caller] {
        for (int round = 0; round < 100; ++round) {
          std::vector<int64_t> values(50);
          pool_.ParallelFor(50, [&](int64_t task) { values[static_cast<size_t>(task)] = task; });
          sums[caller] += std::accumulate(values.begin(), values.end(), int64_t{0});
        }
      });
    }
  }
  EXPECT_EQ(sums, std::vector<int64_t>(4, 100 * 1225));
}

TEST_P(ThreadPoolTest, OpenMpHasOneThreadInsideTasks) {
  std::vector<int> counts(64, 0);
  std::jthread([&] {
    pool_.ParallelFor(
        64, [&](int64_t task) { counts[static_cast<size_t>(task)] = omp_get_max_threads(); });
  }).join();
  EXPECT_EQ(counts, std::vector<int>(64, 1));
}

TEST(ThreadPool, ZeroThreadsAreRefused) { EXPECT_THROW(ThreadPool(0), Error); }

}  // namespace
}  // namespace cadmus::cpu
