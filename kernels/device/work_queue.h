// SPDX-License-Identifier: Apache-2.0
// WorkQueue: closures that one worker executes in order. They are kept in a ring of fixed slots, so
// that issuing never allocates. Places are counted from 1; after the first exception the rest is
// skipped, and whoever waits for a place at or behind the failed one gets that exception.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace cadmus {

// Who waits for a place, for the message when it takes too long.
struct Waiter {
  std::string_view name;  // "the host", "stream compute"
  int event = -1;         // the event waited for, or none
};

class WorkQueue {
 public:
  static constexpr size_t kSlotBytes = 2048;
  static constexpr uint64_t kNumSlots = 128;

  explicit WorkQueue(std::string name);
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;
  ~WorkQueue();

  // Copies `work` into a slot. Waits at most `limit` for a free one, then throws kCommunication.
  template <class Work>
  void Push(Work&& work, std::chrono::milliseconds limit) {
    using Closure = std::decay_t<Work>;
    static_assert(sizeof(Closure) <= kSlotBytes, "capture less: a slot holds kSlotBytes");
    static_assert(alignof(Closure) <= alignof(std::max_align_t));
    std::unique_lock lock(mutex_);
    Slot& slot = FreeSlot(lock, limit);
    new (slot.storage) Closure(std::forward<Work>(work));
    slot.finish = [](void* storage, Action action) {
      // Runs the destructor after the work, also when the work throws.
      struct Owner {
        Closure& closure;
        ~Owner() { closure.~Closure(); }
      } owner{*std::launder(static_cast<Closure*>(storage))};
      if (action == Action::kRun) owner.closure();
    };
    ++num_issued_;
    changed_.notify_all();
  }

  // The place of the latest issued work.
  uint64_t num_issued() const;

  // Blocks until the work up to `place` is done. Throws kCommunication after `limit`.
  void Await(uint64_t place, std::chrono::milliseconds limit, const Waiter& waiter);

  // The worker's loop: returns once the queue is closed and empty.
  void RunWorker();
  void Close();
  // The failure that nobody was told of, if any.
  std::exception_ptr TakeUnseenFailure();

 private:
  enum class Action { kRun, kSkip };
  struct Slot {
    alignas(std::max_align_t) std::byte storage[kSlotBytes];
    void (*finish)(void* storage, Action action) = nullptr;
  };

  Slot& FreeSlot(std::unique_lock<std::mutex>& lock, std::chrono::milliseconds limit);

  const std::string name_;
  const std::unique_ptr<Slot[]> slots_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t num_issued_ = 0;
  uint64_t num_done_ = 0;
  bool closed_ = false;
  std::exception_ptr failure_;
  uint64_t failed_place_ = std::numeric_limits<uint64_t>::max();
  bool failure_seen_ = false;
};

}  // namespace cadmus
