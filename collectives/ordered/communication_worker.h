// SPDX-License-Identifier: Apache-2.0
// CommunicationWorker: the one thread of a rank that talks to its peers. It runs tasks in the order
// in which they were queued, each once its stream has reached it; while idle it sleeps.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace cadmus {

class CommunicationWorker {
 public:
  // One place in the order. Owned by whoever queues it, alive until waited for or skipped.
  class Task {
   public:
    virtual ~Task() = default;

   private:
    friend class CommunicationWorker;
    enum class State : uint8_t { kQueued, kReached, kAbandoned, kDone };
    // Both on the worker's thread. An exception of Run is kept for Wait; after Skip nobody waits.
    virtual void Run() = 0;
    virtual void Skip() noexcept = 0;

    State state_ = State::kDone;
    Task* next_ = nullptr;
    std::exception_ptr failure_;
  };

  // Its log lines and errors carry `rank_label`.
  explicit CommunicationWorker(std::string rank_label);
  CommunicationWorker(const CommunicationWorker&) = delete;
  CommunicationWorker& operator=(const CommunicationWorker&) = delete;
  ~CommunicationWorker();  // requires that nothing is queued

  // Takes the next place in the order for `task`. Allocates nothing.
  void Queue(Task& task);
  // `task`, if it is queued, may run as soon as its turn comes.
  void Start(Task& task);
  // Blocks until `task` has run; rethrows its exception.
  void Wait(Task& task);
  // Nobody will start `task`: it is skipped when its turn comes.
  void Abandon(Task& task) noexcept;

  // Runs `work` in its turn and waits for it: for set-up.
  void Run(std::function<void()> work);

 private:
  void Loop(const std::string& rank_label);
  void SetState(Task& task, Task::State state);

  std::mutex mutex_;
  std::condition_variable work_;  // for the worker
  std::condition_variable done_;  // for those who wait for a task
  Task* head_ = nullptr;
  Task* tail_ = nullptr;
  bool closed_ = false;
  std::thread thread_;
};

}  // namespace cadmus
