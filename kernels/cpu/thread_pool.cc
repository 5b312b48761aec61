// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/thread_pool.h"

#include <omp.h>

#include <limits>

#include "kernels/base/error.h"

namespace cadmus::cpu {
namespace {

// Libraries run single-threaded on our tiles: OpenMP keeps this count per thread.
void UseOneOpenMpThread() {
  thread_local const bool done = [] {
    omp_set_num_threads(1);
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

struct ThreadPool::Job {
  Job(int64_t tasks, TaskRef task_body) : num_tasks(tasks), body(task_body) {}

  const int64_t num_tasks;
  const TaskRef body;
  std::atomic<int64_t> next_task = 0;
  std::mutex mutex;
  std::exception_ptr failure;
  int64_t failed_task = std::numeric_limits<int64_t>::max();

  // Tasks are handed out in order, so every task below a failed one is executed: the lowest failure
  // is the same on each run.
  void TakePart() {
    for (int64_t task; (task = next_task.fetch_add(1)) < num_tasks;) {
      try {
        body(task);
      } catch (...) {
        next_task.store(num_tasks);
        std::lock_guard lock(mutex);
        if (task < failed_task) {
          failed_task = task;
          failure = std::current_exception();
        }
      }
    }
  }
};

ThreadPool::ThreadPool(int num_threads) {
  CADMUS_CHECK(num_threads >= 1, StrCat("a pool of ", num_threads, " threads"));
  threads_.reserve(static_cast<size_t>(num_threads - 1));
  for (int i = 1; i < num_threads; ++i) threads_.emplace_back([this] { Work(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  has_job_.notify_all();
}

void ThreadPool::Execute(int64_t num_tasks, TaskRef body) {
  UseOneOpenMpThread();
  if (num_tasks <= 1 || threads_.empty() || busy_.test_and_set(std::memory_order_acquire)) {
    for (int64_t task = 0; task < num_tasks; ++task) body(task);
    return;
  }
  Job job(num_tasks, body);
  {
    std::lock_guard lock(mutex_);
    job_ = &job;
    ++job_number_;
  }
  has_job_.notify_all();
  job.TakePart();
  {
    // The caller found no more tasks; threads that never woke up are not waited for.
    std::unique_lock lock(mutex_);
    job_ = nullptr;
    job_left_.wait(lock, [&] { return num_inside_ == 0; });
  }
  busy_.clear(std::memory_order_release);
  if (job.failure != nullptr) std::rethrow_exception(job.failure);
}

void ThreadPool::Work() {
  UseOneOpenMpThread();
  uint64_t last_job = 0;
  std::unique_lock lock(mutex_);
  while (true) {
    has_job_.wait(lock, [&] { return stop_ || (job_ != nullptr && job_number_ != last_job); });
    if (stop_) return;
    last_job = job_number_;
    Job& job = *job_;
    ++num_inside_;
    lock.unlock();
    job.TakePart();
    lock.lock();
    if (--num_inside_ == 0) job_left_.notify_one();
  }
}

}  // namespace cadmus::cpu
