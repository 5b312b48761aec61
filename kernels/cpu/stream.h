// SPDX-License-Identifier: Apache-2.0
// The cpu device's stream and event, and Run, by which ops and communicators issue work to a
// stream:
//
//   void SwiGluForward(const SwiGluForwardArgs& args, Stream& stream) {
//     Run(stream, [args, &pool = PoolOf(stream)] { pool.ParallelFor(…); });
//   }
#pragma once

#include <memory>
#include <thread>

#include "kernels/base/error.h"
#include "kernels/device/device.h"
#include "kernels/device/work_queue.h"

namespace cadmus::cpu {

class CpuEvent final : public Event {
 public:
  using Event::Event;
  void Synchronize(std::chrono::milliseconds limit) override;

 private:
  friend class CpuStream;
  // The mark: a place in a worker's queue, none for a stream that runs inline. shared_ptr: an event
  // may outlive the stream that it was recorded in.
  std::shared_ptr<WorkQueue> queue_;
  uint64_t place_ = 0;
};

class CpuStream final : public Stream {
 public:
  enum class Execution { kInline, kWorker };

  CpuStream(Device& device, StreamKind kind, int id, std::string name, Execution execution);
  ~CpuStream() override;  // lets the worker finish what was issued

  template <class Work>
  void Issue(Work&& work) {
    if (queue_ == nullptr) {
      std::forward<Work>(work)();
    } else {
      queue_->Push(std::forward<Work>(work), device().wait_limit());
    }
  }

  void Synchronize(std::chrono::milliseconds limit) override;

 protected:
  void DoRecord(Event& event) override;
  void DoWait(Event& event) override;

 private:
  const std::string waiter_name_;
  std::shared_ptr<WorkQueue> queue_;  // null: inline. shared_ptr: see CpuEvent
  std::jthread worker_;
};

// Issues `work` to a stream of a cpu device: called at once, or copied (at most
// WorkQueue::kSlotBytes) for the stream's worker. What it captures by reference must live until the
// stream has passed it. Never allocates.
template <class Work>
void Run(Stream& stream, Work&& work) {
  auto* cpu_stream = dynamic_cast<CpuStream*>(&stream);
  CADMUS_CHECK(cpu_stream != nullptr,
               StrCat("stream ", stream.name(), " is not a stream of a cpu device"));
  cpu_stream->Issue(std::forward<Work>(work));
}

}  // namespace cadmus::cpu
