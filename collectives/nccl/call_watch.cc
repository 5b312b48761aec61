// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl/call_watch.h"

#include <algorithm>
#include <utility>

#include "collectives/watchdog/watchdog.h"
#include "kernels/base/error.h"

namespace cadmus {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks(1);

}  // namespace

CallWatch::CallWatch(Members members, std::chrono::milliseconds limit, Recorder& recorder,
                     WatchedCalls& calls)
    : members_(std::move(members)), limit_(limit), recorder_(recorder), calls_(calls) {}

int CallWatch::Take(const CallInfo& info, int peer, std::chrono::milliseconds wait_limit) {
  std::unique_lock lock(mutex_);
  const bool has_room = changed_.wait_for(
      lock, wait_limit, [&] { return failure_ != nullptr || end_ - first_ < ring_.size(); });
  if (failure_ != nullptr) std::rethrow_exception(failure_);
  if (!has_room) {
    throw Error(Kind::kCommunication,
                StrCat("group ", info.group, ": ", ring_.size(),
                       " calls are issued and none has ended within ", InWords(wait_limit),
                       "; their streams do not come that far"));
  }
  const auto slot = static_cast<int>(end_++ % ring_.size());
  Call& call = ring_[static_cast<size_t>(slot)];
  call = {
      .state = Call::State::kTaken, .record = recorder_.Issue(info), .peer = peer, .info = info};
  const size_t length = std::min(info.site.size(), call.site.size());
  std::copy_n(info.site.data(), length, call.site.data());
  call.info.site = std::string_view(call.site.data(), length);
  return slot;
}

void CallWatch::Issued(int slot) {
  std::lock_guard lock(mutex_);
  Call& call = ring_[static_cast<size_t>(slot)];
  if (call.state == Call::State::kTaken) call.state = Call::State::kIssued;
}

void CallWatch::NotIssued(int slot) noexcept {
  std::lock_guard lock(mutex_);
  Call& call = ring_[static_cast<size_t>(slot)];
  if (call.state != Call::State::kTaken) return;
  recorder_.Fail(call.record, {});
  call.state = Call::State::kFree;
  --end_;
  changed_.notify_all();
}

void CallWatch::Check(Clock::time_point now) {
  std::unique_lock lock(mutex_);
  std::exception_ptr failure;
  while (first_ < end_ && failure == nullptr) {
    const auto slot = static_cast<int>(first_ % ring_.size());
    Call& call = ring_[static_cast<size_t>(slot)];
    if (call.state == Call::State::kTaken) break;
    const WatchedCalls::Phase phase = calls_.PhaseOf(slot);
    if (phase == WatchedCalls::Phase::kDone) {
      if (call.state == Call::State::kIssued) recorder_.Start(call.record);
      EndOldest();
      continue;
    }
    if (phase == WatchedCalls::Phase::kRunning && call.state == Call::State::kIssued) {
      recorder_.Start(call.record);
      call.state = Call::State::kRunning;
      call.running_since = now;
    }
    if (call.state == Call::State::kRunning && now - call.running_since > limit_) {
      failure = Expired(call, now);
    }
    break;  // later calls of a group run behind it
  }
  if (failure == nullptr && first_ < end_) {
    if (const std::string error = calls_.AsyncError(); !error.empty()) {
      const Call& oldest = ring_[first_ % ring_.size()];
      failure = std::make_exception_ptr(
          Error(Kind::kCommunication,
                StrCat("group ", oldest.info.group, " (", members_.world_ranks.size(), " ranks), ",
                       Describe(oldest.info), " at rank ", members_.rank, ": ", error)));
    }
  }
  if (failure != nullptr) FailAll(lock, std::move(failure));
}

void CallWatch::EndOldest() {
  Call& call = ring_[first_ % ring_.size()];
  recorder_.Finish(call.record);
  call.state = Call::State::kFree;
  ++first_;
  changed_.notify_all();
}

// NCCL does not say which peer a call waits for: all others but for a send or a receive.
std::exception_ptr CallWatch::Expired(const Call& call, Clock::time_point now) {
  missing_ranks_.clear();
  for (int rank = 0; rank < static_cast<int>(members_.world_ranks.size()); ++rank) {
    if (rank != members_.rank && (call.peer < 0 || call.peer == rank)) {
      missing_ranks_.push_back(rank);
    }
  }
  return std::make_exception_ptr(
      Error(Kind::kCommunication, Describe(ExpiredWait{.call = call.info,
                                                       .rank = members_.rank,
                                                       .missing_ranks = missing_ranks_,
                                                       .members = members_.world_ranks,
                                                       .waited = now - call.running_since,
                                                       .limit = limit_})));
}

void CallWatch::FailAll(std::unique_lock<std::mutex>& lock, std::exception_ptr failure) {
  if (failure_ != nullptr) return;
  failure_ = failure;
  for (int& rank : missing_ranks_) rank = members_.world_ranks[static_cast<size_t>(rank)];
  for (; first_ < end_; ++first_) {
    Call& call = ring_[first_ % ring_.size()];
    recorder_.Fail(call.record, missing_ranks_);
    call.state = Call::State::kFree;
  }
  changed_.notify_all();
  lock.unlock();  // an abort may take seconds, and the next call must learn of the failure
  calls_.Abort(std::move(failure));
  lock.lock();
}

void CallWatch::Fail(std::exception_ptr failure) {
  std::unique_lock lock(mutex_);
  FailAll(lock, std::move(failure));
}

void CallWatch::ThrowIfFailed() const {
  std::lock_guard lock(mutex_);
  if (failure_ != nullptr) std::rethrow_exception(failure_);
}

bool CallWatch::IsBusy() const {
  std::lock_guard lock(mutex_);
  return first_ < end_;
}

bool CallWatch::AwaitIdle(std::chrono::milliseconds limit) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [&] { return first_ == end_; });
}

CallWatcher::CallWatcher(std::string rank_label)
    : thread_([this, label = std::move(rank_label)] {
        SetRankLabel(label);
        Loop();
      }) {}

CallWatcher::~CallWatcher() {
  {
    std::lock_guard lock(mutex_);
    is_closed_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void CallWatcher::Add(CallWatch& watch) {
  std::lock_guard lock(mutex_);
  watches_.push_back(&watch);
}

void CallWatcher::Remove(CallWatch& watch) {
  std::lock_guard lock(mutex_);  // which the thread holds while it looks
  std::erase(watches_, &watch);
}

void CallWatcher::Wake() {
  {
    std::lock_guard lock(mutex_);
    is_woken_ = true;
  }
  changed_.notify_all();
}

void CallWatcher::Loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    // Sleeps while no call is under way: without a limit, since nobody waits for this.
    changed_.wait(lock, [&] { return is_woken_ || is_closed_; });
    if (is_closed_) return;
    is_woken_ = false;
    for (CallWatch* watch : watches_) {
      watch->Check(CallWatch::Clock::now());
      if (watch->IsBusy()) is_woken_ = true;
    }
    if (is_woken_) changed_.wait_for(lock, kBetweenLooks, [&] { return is_closed_; });
  }
}

}  // namespace cadmus
