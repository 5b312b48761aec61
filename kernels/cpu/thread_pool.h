// SPDX-License-Identifier: Apache-2.0
// ThreadPool: the one pool of a process. Tasks are fixed by the caller, by shape; which thread
// executes which is not, so results must not depend on it. Never allocates while it runs.
//
//   pool.ParallelFor(num_row_blocks, [&](int64_t block) { … });
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace cadmus::cpu {

class ThreadPool {
 public:
  // `num_threads` counts the calling thread; 1 executes everything inline.
  explicit ThreadPool(int num_threads);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  int num_threads() const { return static_cast<int>(threads_.size()) + 1; }

  // Calls body(task) for each task in [0, num_tasks) and returns when all are done; the caller
  // takes part. Nested calls, and callers that find the pool busy with another rank's tasks,
  // execute theirs alone. Of the tasks that throw, the one with the lowest index is rethrown, and
  // tasks behind it may be left out. OpenMP inside a task has one thread.
  template <class Body>
  void ParallelFor(int64_t num_tasks, Body&& body) {
    using Callable = std::remove_reference_t<Body>;
    Execute(num_tasks,
            {const_cast<void*>(static_cast<const void*>(&body)),
             [](void* object, int64_t task) { (*static_cast<Callable*>(object))(task); }});
  }

 private:
  struct TaskRef {
    void* object;
    void (*call)(void* object, int64_t task);
    void operator()(int64_t task) const { call(object, task); }
  };
  struct Job;

  void Execute(int64_t num_tasks, TaskRef body);
  void Work();

  std::atomic_flag busy_;
  std::mutex mutex_;
  std::condition_variable has_job_;
  std::condition_variable job_left_;
  Job* job_ = nullptr;
  uint64_t job_number_ = 0;
  int num_inside_ = 0;  // pool threads that execute tasks of job_
  bool stop_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace cadmus::cpu
