// SPDX-License-Identifier: Apache-2.0
// RunOrdered: a stream of items through several threads, in order at both ends. What comes out does
// not depend on the number of threads, and only so much is in memory at a time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace cadmus {

template <class Item>
struct OrderedPipeline {
  int num_threads = 1;
  // Items that are produced and not yet consumed weigh at most this together; one always may.
  int64_t max_weight = 0;
  std::function<int64_t(const Item&)> weight;

  // The next item; nothing after the last. Called by one thread.
  std::function<std::optional<Item>()> produce;
  // What a thread does to an item: one call for each thread makes its own function.
  std::function<std::function<void(Item&)>()> make_worker;
  // Called by the thread of RunOrdered, in the order of production.
  std::function<void(Item&)> consume;
};

namespace internal {

template <class Item>
class OrderedRun {
 public:
  explicit OrderedRun(const OrderedPipeline<Item>& stages) : stages_(stages) {}

  void Run() {
    std::vector<std::thread> threads;
    const Join join{*this, threads};
    threads.emplace_back([this] { Produce(); });
    for (int i = 0; i < stages_.num_threads; ++i) threads.emplace_back([this] { Work(); });
    Consume();
  }

 private:
  struct Slot {
    std::optional<Item> item;  // none: the end, or what failed
    int64_t weight = 0;
    bool is_done = false;
    std::exception_ptr failure;
  };

  struct Join {
    OrderedRun& run;
    std::vector<std::thread>& threads;
    ~Join() {
      {
        std::lock_guard lock(run.mutex_);
        run.stop_ = true;
      }
      run.changed_.notify_all();
      for (std::thread& thread : threads) thread.join();
    }
  };

  void Produce() {
    while (true) {
      Slot slot;
      try {
        slot.item = stages_.produce();
        if (slot.item) slot.weight = stages_.weight(*slot.item);
      } catch (...) {
        slot.failure = std::current_exception();
        slot.item.reset();
      }
      slot.is_done = !slot.item;
      const bool is_last = slot.is_done;
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] {
        return stop_ || slots_.empty() || weight_ + slot.weight <= stages_.max_weight;
      });
      if (stop_) return;
      weight_ += slot.weight;
      slots_.push_back(std::move(slot));
      is_produced_ = is_last;
      lock.unlock();
      changed_.notify_all();
      if (is_last) return;
    }
  }

  void Work() {
    std::function<void(Item&)> work;
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return stop_ || is_produced_ || num_started_ < slots_.size(); });
      if (stop_ || num_started_ == slots_.size()) return;
      Slot& slot = slots_[num_started_++];  // a deque leaves it in place
      if (slot.is_done) continue;
      lock.unlock();
      std::exception_ptr failure;
      try {
        if (!work) work = stages_.make_worker();
        work(*slot.item);
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      slot.failure = failure;
      slot.is_done = true;
      changed_.notify_all();
    }
  }

  void Consume() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return !slots_.empty() && slots_.front().is_done; });
      Slot& slot = slots_.front();
      // Of several failures it is the first in the order of items that is told.
      if (slot.failure) std::rethrow_exception(slot.failure);
      if (!slot.item) return;
      lock.unlock();
      stages_.consume(*slot.item);
      lock.lock();
      weight_ -= slot.weight;
      slots_.pop_front();
      --num_started_;
      changed_.notify_all();
    }
  }

  const OrderedPipeline<Item>& stages_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_, but that the item of a slot is its worker's until it is done.
  std::deque<Slot> slots_;  // in the order of production
  size_t num_started_ = 0;  // slots that a worker has taken
  int64_t weight_ = 0;
  bool is_produced_ = false;
  bool stop_ = false;
};

}  // namespace internal

// Returns when the last item is consumed. Throws what a stage threw, of several failures the one of
// the earliest item: everything before it has been consumed, and nothing after it.
template <class Item>
void RunOrdered(const OrderedPipeline<Item>& stages) {
  internal::OrderedRun<Item>(stages).Run();
}

}  // namespace cadmus
