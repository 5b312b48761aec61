// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/work_queue.h"

#include "kernels/base/error.h"

namespace cadmus {

WorkQueue::WorkQueue(std::string name)
    : name_(std::move(name)), slots_(std::make_unique<Slot[]>(kNumSlots)) {}

WorkQueue::~WorkQueue() {
  // Only what no worker has taken: normally nothing.
  while (num_done_ < num_issued_) {
    Slot& slot = slots_[num_done_++ % kNumSlots];
    slot.finish(slot.storage, Action::kSkip);
  }
}

WorkQueue::Slot& WorkQueue::FreeSlot(std::unique_lock<std::mutex>& lock,
                                     std::chrono::milliseconds limit) {
  if (!changed_.wait_for(lock, limit, [&] { return num_issued_ - num_done_ < kNumSlots; })) {
    throw Error(Kind::kCommunication,
                StrCat("the host has waited ", limit.count(), " ms for room in stream ", name_,
                       ": its ", kNumSlots, " slots are full and the work at the head (number ",
                       num_done_ + 1, ") does not end"));
  }
  return slots_[num_issued_ % kNumSlots];
}

uint64_t WorkQueue::num_issued() const {
  std::lock_guard lock(mutex_);
  return num_issued_;
}

void WorkQueue::Await(uint64_t place, std::chrono::milliseconds limit, const Waiter& waiter) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, limit, [&] { return num_done_ >= place; })) {
    const std::string event = waiter.event < 0 ? "" : StrCat("event ", waiter.event, " of ");
    throw Error(Kind::kCommunication,
                StrCat(waiter.name, " has waited ", limit.count(), " ms for ", event, "stream ",
                       name_, ", which has done ", num_done_, " of the ", place,
                       " works before it: number ", num_done_ + 1, " does not end"));
  }
  if (failed_place_ <= place) {
    failure_seen_ = true;
    const std::exception_ptr failure = failure_;
    lock.unlock();
    std::rethrow_exception(failure);
  }
}

void WorkQueue::RunWorker() {
  std::unique_lock lock(mutex_);
  while (true) {
    // Sleeps while idle: without a limit, since nobody waits for this.
    changed_.wait(lock, [&] { return num_issued_ > num_done_ || closed_; });
    if (num_issued_ == num_done_) return;
    Slot& slot = slots_[num_done_ % kNumSlots];
    const Action action = failure_ == nullptr ? Action::kRun : Action::kSkip;
    lock.unlock();
    std::exception_ptr failure;
    try {
      slot.finish(slot.storage, action);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    ++num_done_;
    if (failure != nullptr) {
      failure_ = std::move(failure);
      failed_place_ = num_done_;
    }
    changed_.notify_all();
  }
}

void WorkQueue::Close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

std::exception_ptr WorkQueue::TakeUnseenFailure() {
  std::lock_guard lock(mutex_);
  return std::exchange(failure_seen_, true) ? nullptr : failure_;
}

}  // namespace cadmus
