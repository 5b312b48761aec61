// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/stream.h"

#include "kernels/base/log.h"

namespace cadmus::cpu {
namespace {

constexpr std::string_view kHost = "the host";

}  // namespace

void CpuEvent::Synchronize(std::chrono::milliseconds limit) {
  if (queue_ != nullptr) queue_->Await(place_, limit, {kHost, id()});
}

CpuStream::CpuStream(Device& device, StreamKind kind, int id, std::string name, Execution execution)
    : Stream(device, kind, id, std::move(name)), waiter_name_(StrCat("stream ", this->name())) {
  if (execution == Execution::kInline) return;
  queue_ = std::make_shared<WorkQueue>(this->name());
  worker_ = std::jthread([queue = queue_.get(), label = RankLabel()] {
    SetRankLabel(label);
    queue->RunWorker();
  });
}

CpuStream::~CpuStream() {
  if (queue_ == nullptr) return;
  queue_->Close();
  worker_.join();
  if (const std::exception_ptr failure = queue_->TakeUnseenFailure()) {
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& e) {
      LogError(
          StrCat("stream ", name(), " ends after a failure that nobody waited for: ", e.what()));
    }
  }
}

void CpuStream::Synchronize(std::chrono::milliseconds limit) {
  if (queue_ != nullptr) queue_->Await(queue_->num_issued(), limit, {kHost});
}

void CpuStream::DoRecord(Event& event) {
  auto& mark = static_cast<CpuEvent&>(event);
  mark.queue_ = queue_;
  mark.place_ = queue_ == nullptr ? 0 : queue_->num_issued();
}

void CpuStream::DoWait(Event& event) {
  const auto& mark = static_cast<const CpuEvent&>(event);
  if (mark.queue_ == nullptr || mark.queue_ == queue_) return;
  const Waiter waiter = {waiter_name_, event.id()};
  const std::chrono::milliseconds limit = device().wait_limit();
  Issue([queue = mark.queue_, place = mark.place_, limit, waiter] {
    queue->Await(place, limit, waiter);
  });
}

}  // namespace cadmus::cpu
