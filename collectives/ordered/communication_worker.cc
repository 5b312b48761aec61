// SPDX-License-Identifier: Apache-2.0
#include "collectives/ordered/communication_worker.h"

#include <utility>

#include "kernels/base/error.h"

namespace cadmus {

CommunicationWorker::CommunicationWorker(std::string rank_label)
    : thread_([this, label = std::move(rank_label)] { Loop(label); }) {}

CommunicationWorker::~CommunicationWorker() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  work_.notify_one();
  thread_.join();
}

void CommunicationWorker::Queue(Task& task) {
  std::lock_guard lock(mutex_);
  CADMUS_CHECK(task.state_ == Task::State::kDone, "a task is queued twice");
  task.state_ = Task::State::kQueued;
  task.next_ = nullptr;
  task.failure_ = nullptr;
  (tail_ == nullptr ? head_ : tail_->next_) = &task;
  tail_ = &task;
}

void CommunicationWorker::SetState(Task& task, Task::State state) {
  std::lock_guard lock(mutex_);
  task.state_ = state;
  if (&task == head_) work_.notify_one();
}

void CommunicationWorker::Start(Task& task) { SetState(task, Task::State::kReached); }
void CommunicationWorker::Abandon(Task& task) noexcept { SetState(task, Task::State::kAbandoned); }

void CommunicationWorker::Wait(Task& task) {
  std::unique_lock lock(mutex_);
  // No limit here: a task that runs ends within its group's limit, and one that waits for its turn
  // stands behind streams that have the device's limit.
  done_.wait(lock, [&] { return task.state_ == Task::State::kDone; });
  if (task.failure_ == nullptr) return;
  const std::exception_ptr failure = std::exchange(task.failure_, nullptr);
  lock.unlock();
  std::rethrow_exception(failure);
}

void CommunicationWorker::Run(std::function<void()> work) {
  class Closure final : public Task {
   public:
    explicit Closure(std::function<void()> body) : body_(std::move(body)) {}

   private:
    void Run() override { body_(); }
    void Skip() noexcept override {}
    std::function<void()> body_;
  };
  Closure closure(std::move(work));
  Queue(closure);
  Start(closure);
  Wait(closure);
}

void CommunicationWorker::Loop(const std::string& rank_label) {
  SetRankLabel(rank_label);
  std::unique_lock lock(mutex_);
  while (true) {
    work_.wait(lock,
               [&] { return head_ == nullptr ? closed_ : head_->state_ != Task::State::kQueued; });
    if (head_ == nullptr) return;
    Task& task = *head_;
    head_ = task.next_;
    if (head_ == nullptr) tail_ = nullptr;
    const bool skip = task.state_ == Task::State::kAbandoned;
    if (skip) task.state_ = Task::State::kDone;
    lock.unlock();
    std::exception_ptr failure;
    if (skip) {
      task.Skip();  // `task` may be gone or queued again from here on
    } else {
      try {
        task.Run();
      } catch (...) {
        failure = std::current_exception();
      }
    }
    lock.lock();
    if (skip) continue;
    task.failure_ = std::move(failure);
    task.state_ = Task::State::kDone;
    done_.notify_all();
  }
}

}  // namespace cadmus
