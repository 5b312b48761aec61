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

void CommunicationWorker::SetBackground(Background* background) {
  // In its turn: the worker is then in no background that may be about to go.
  Run([&] {
    std::lock_guard lock(mutex_);
    background_ = background;
  });
}

void CommunicationWorker::Queue(Task& task, const Place& place) {
  std::lock_guard lock(mutex_);
  CADMUS_CHECK(task.state_ == Task::State::kDone, "a task is queued twice");
  task.state_ = Task::State::kQueued;
  task.place_ = place;
  task.next_ = nullptr;
  task.failure_ = nullptr;
  (tail_ == nullptr ? head_ : tail_->next_) = &task;
  tail_ = &task;
}

void CommunicationWorker::SetState(Task& task, Task::State state) {
  std::lock_guard lock(mutex_);
  task.state_ = state;
  const bool is_post = task.place_.kind == Place::Kind::kPost;
  if (!is_post && &task != FirstCall()) return;
  if (activity_ == Activity::kAsleep) {
    work_.notify_one();
  } else if (background_ != nullptr && (is_post || activity_ == Activity::kInBackground)) {
    background_->Wake();
  }
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

CommunicationWorker::Task* CommunicationWorker::FirstCall() const {
  Task* task = head_;
  while (task != nullptr && task->place_.kind == Place::Kind::kPost) task = task->next_;
  return task;
}

bool CommunicationWorker::IsBehindPost(const Task& task) const {
  const Place& place = task.place_;
  if (place.group == nullptr) return false;
  for (const Task* earlier = head_; earlier != &task; earlier = earlier->next_) {
    if (earlier->place_.kind == Place::Kind::kPost && earlier->place_.group == place.group &&
        (place.peer < 0 || earlier->place_.peer == place.peer)) {
      return true;
    }
  }
  return false;
}

CommunicationWorker::Task* CommunicationWorker::NextRunnable(Wanted wanted) const {
  for (Task* task = head_; task != nullptr; task = task->next_) {
    const bool is_call = task->place_.kind == Place::Kind::kCall;
    if (is_call && wanted == Wanted::kPosts) return nullptr;
    if (task->state_ != Task::State::kQueued && !IsBehindPost(*task)) return task;
    if (is_call) return nullptr;
  }
  return nullptr;
}

void CommunicationWorker::Remove(Task& task) {
  Task* previous = nullptr;
  for (Task* other = head_; other != &task; other = other->next_) previous = other;
  (previous == nullptr ? head_ : previous->next_) = task.next_;
  if (tail_ == &task) tail_ = previous;
}

void CommunicationWorker::Finish(Task& task, std::exception_ptr failure) {
  task.failure_ = std::move(failure);
  task.state_ = Task::State::kDone;
  done_.notify_all();
}

void CommunicationWorker::RunOrSkip(Task& task, std::unique_lock<std::mutex>& lock) {
  if (task.state_ == Task::State::kAbandoned) {
    Remove(task);
    task.state_ = Task::State::kDone;
    lock.unlock();
    task.Skip();  // `task` may be gone or queued again from here on
    lock.lock();
    return;
  }
  const bool is_call = task.place_.kind == Place::Kind::kCall;
  task.state_ = Task::State::kRunning;
  if (!is_call) Remove(task);
  lock.unlock();
  std::exception_ptr failure;
  try {
    task.Run();
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  if (is_call) Remove(task);
  if (is_call || failure != nullptr) Finish(task, std::move(failure));
}

void CommunicationWorker::StartPosts() {
  std::unique_lock lock(mutex_);
  while (Task* task = NextRunnable(Wanted::kPosts)) RunOrSkip(*task, lock);
}

void CommunicationWorker::End(Task& post, std::exception_ptr failure) noexcept {
  std::lock_guard lock(mutex_);
  Finish(post, std::move(failure));
}

void CommunicationWorker::Loop(const std::string& rank_label) {
  SetRankLabel(rank_label);
  std::unique_lock lock(mutex_);
  while (true) {
    if (Task* task = NextRunnable(Wanted::kAny)) {
      activity_ = Activity::kInCall;
      RunOrSkip(*task, lock);
    } else if (background_ != nullptr && background_->IsBusy()) {
      activity_ = Activity::kInBackground;
      Background& background = *background_;
      lock.unlock();
      background.Progress();
      lock.lock();
    } else if (head_ == nullptr && closed_) {
      return;
    } else {
      activity_ = Activity::kAsleep;
      work_.wait(lock);
    }
  }
}

}  // namespace cadmus
