// SPDX-License-Identifier: Apache-2.0
// CommunicationWorker: the one thread of a rank that talks to its peers. Calls run one after
// another in the order in which they were queued, each once its stream has reached it. Posts
// (sends) are only started, once reached and behind all calls queued before; they end later, in the
// background, and no later call waits for one. With nothing to do it sleeps.
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
  // What a task is in the order.
  struct Place {
    enum class Kind : uint8_t { kCall, kPost };
    Kind kind = Kind::kCall;
    // Behind an earlier post of the same lane the task waits until that is started. No group: none.
    const void* group = nullptr;
    int peer = -1;  // -1: all of the group
  };

  // Owned by whoever queues it, alive until waited for or skipped.
  class Task {
   public:
    virtual ~Task() = default;

   private:
    friend class CommunicationWorker;
    enum class State : uint8_t { kQueued, kReached, kAbandoned, kRunning, kDone };
    // Both on the worker's thread. An exception of Run is kept for Wait; after Skip nobody waits.
    // A post whose Run returns is over when End is called for it.
    virtual void Run() = 0;
    virtual void Skip() noexcept = 0;

    State state_ = State::kDone;
    Place place_;
    Task* next_ = nullptr;
    std::exception_ptr failure_;
  };

  // What goes on while no task can run.
  class Background {
   public:
    virtual bool IsBusy() const = 0;  // on the worker's thread, as is Progress
    // Returns when something has happened, or after Wake.
    virtual void Progress() noexcept = 0;
    virtual void Wake() noexcept = 0;  // any thread

   protected:
    ~Background() = default;
  };

  // Its log lines and errors carry `rank_label`.
  explicit CommunicationWorker(std::string rank_label);
  CommunicationWorker(const CommunicationWorker&) = delete;
  CommunicationWorker& operator=(const CommunicationWorker&) = delete;
  ~CommunicationWorker();  // requires that nothing is queued or under way

  // From now on; null: none. Waits until the worker has left the one before.
  void SetBackground(Background* background);

  // Takes the next place in the order for `task`. Allocates nothing.
  void Queue(Task& task) { Queue(task, Place()); }
  void Queue(Task& task, const Place& place);
  // `task`, if it is queued, may run as soon as its turn comes.
  void Start(Task& task);
  // Blocks until `task` is over; rethrows its exception.
  void Wait(Task& task);
  // Nobody will start `task`: it is skipped when its turn comes.
  void Abandon(Task& task) noexcept;

  // Runs `work` in its turn and waits for it: for set-up.
  void Run(std::function<void()> work);

  // Both on the worker's thread: starts the posts queued before the call that is running, if any,
  // that have been reached since; ends a post.
  void StartPosts();
  void End(Task& post, std::exception_ptr failure) noexcept;

 private:
  enum class Activity : uint8_t { kAsleep, kInBackground, kInCall };
  enum class Wanted : uint8_t { kAny, kPosts };

  void Loop(const std::string& rank_label);
  void SetState(Task& task, Task::State state);
  // All require the lock.
  Task* FirstCall() const;
  bool IsBehindPost(const Task& task) const;
  Task* NextRunnable(Wanted wanted) const;  // or null
  void RunOrSkip(Task& task, std::unique_lock<std::mutex>& lock);
  void Remove(Task& task);
  void Finish(Task& task, std::exception_ptr failure);

  std::mutex mutex_;
  std::condition_variable work_;  // for the worker
  std::condition_variable done_;  // for those who wait for a task
  Task* head_ = nullptr;          // queued tasks; a call stays until it has run
  Task* tail_ = nullptr;
  Background* background_ = nullptr;
  Activity activity_ = Activity::kAsleep;
  bool closed_ = false;
  std::thread thread_;
};

}  // namespace cadmus
