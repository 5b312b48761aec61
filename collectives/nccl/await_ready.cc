// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl/await_ready.h"

#include <algorithm>
#include <future>
#include <thread>
#include <utility>

#include "collectives/recorder/recorder.h"
#include "kernels/base/error.h"

namespace cadmus {

void AwaitReady(const std::function<Readiness()>& ask, std::chrono::milliseconds limit,
                std::string_view what) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::microseconds kYieldFor(50), kFirstNap(20), kLongestNap(1000);
  const Clock::time_point begin = Clock::now();
  std::chrono::microseconds nap = kFirstNap;
  while (ask() == Readiness::kInProgress) {
    const Clock::duration waited = Clock::now() - begin;
    if (waited > limit) {
      throw Error(Kind::kCommunication, StrCat(what, ": not done within ", InWords(limit)));
    }
    if (waited < kYieldFor) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(nap);
      nap = std::min(2 * nap, kLongestNap);
    }
  }
}

bool AbortWithin(std::chrono::milliseconds limit, std::function<void()> abort) {
  std::promise<void> ended;
  const std::future<void> end = ended.get_future();
  std::thread([abort = std::move(abort), ended = std::move(ended)]() mutable {
    abort();
    ended.set_value();
  }).detach();
  return end.wait_for(limit) == std::future_status::ready;
}

}  // namespace cadmus
