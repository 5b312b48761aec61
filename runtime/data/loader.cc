// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/loader.h"

#include <chrono>
#include <string>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/log.h"

namespace cadmus {
namespace {

constexpr std::chrono::minutes kReadLimit{10};

}  // namespace

Loader::Loader(DataMix mix, const LoaderOptions& options)
    : source_(std::move(mix), options),
      current_(source_.Allocate()),
      ahead_(source_.Allocate()),
      reader_([this, label = RankLabel()] {
        SetRankLabel(label);
        ReadAhead();
      }) {}

Loader::~Loader() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  reader_.join();
}

void Loader::Seek(int64_t step) {
  CADMUS_CHECK(step >= 0, StrCat("step ", step));
  {
    std::unique_lock lock(mutex_);
    AwaitReader(lock);
    next_step_ = step;
    failure_ = nullptr;
    reading_ = Reading::kAsked;
  }
  changed_.notify_all();
}

const StepBatch& Loader::Next() {
  {
    std::unique_lock lock(mutex_);
    if (reading_ == Reading::kIdle) {
      reading_ = Reading::kAsked;
      changed_.notify_all();
    }
    AwaitReader(lock);
    if (failure_) {
      reading_ = Reading::kIdle;
      std::rethrow_exception(std::exchange(failure_, nullptr));
    }
    std::swap(current_, ahead_);
    ++next_step_;
    reading_ = Reading::kAsked;
  }
  changed_.notify_all();
  return current_;
}

void Loader::AwaitReader(std::unique_lock<std::mutex>& lock) {
  if (changed_.wait_for(lock, kReadLimit, [this] { return reading_ != Reading::kAsked; })) return;
  const std::string text =
      StrCat("reading the data of step ", next_step_, " takes longer than ", kReadLimit.count(),
             " minutes; check the file system that holds the data set");
  LogError(text);  // unwinding joins the reader, which may hang in the file system
  throw Error(Kind::kData, text);
}

void Loader::ReadAhead() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || reading_ == Reading::kAsked; });
    if (stop_) return;
    const int64_t step = next_step_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      source_.Fill(step, ahead_);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    failure_ = failure;
    reading_ = Reading::kDone;
    changed_.notify_all();
  }
}

}  // namespace cadmus
