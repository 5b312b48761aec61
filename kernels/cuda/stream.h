// SPDX-License-Identifier: Apache-2.0
// The cuda device's stream and event, and what a kernel's host function needs of a stream: its
// handle, and where faults are reported.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "kernels/base/unique_handle.h"
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/faults.h"
#include "kernels/device/device.h"
#include "kernels/device/work_queue.h"

namespace cadmus::cuda {

struct EventTraits {
  using Handle = cudaEvent_t;
  static constexpr Handle kEmpty = nullptr;
  static void Close(Handle event) noexcept;
};
struct StreamTraits {
  using Handle = cudaStream_t;
  static constexpr Handle kEmpty = nullptr;
  static void Close(Handle stream) noexcept;
};

class CudaEvent final : public Event {
 public:
  CudaEvent(int id, int device, std::shared_ptr<Faults> faults);
  void Synchronize(std::chrono::milliseconds limit) override;

 private:
  friend class CudaStream;
  using SharedHandle = std::shared_ptr<const UniqueHandle<EventTraits>>;

  // For a new mark: a host queue that has yet to make the last one, or to wait for it, keeps that
  // one's.
  SharedHandle HandleOfNewMark();

  int device_;
  // shared_ptr: an event may outlive the stream that it was recorded in, and the device.
  std::shared_ptr<Faults> faults_;
  std::shared_ptr<const std::string> stream_name_;  // of the last record
  // Of a stream with a host queue: where the mark is made. shared_ptr: as faults_.
  std::shared_ptr<WorkQueue> queue_;
  uint64_t place_ = 0;
  // shared_ptr: what a host queue has yet to mark, or to wait for, may outlive the event.
  SharedHandle handle_;
};

// A communication stream to which work of the host has been issued (host_work.h) is driven by a
// thread of its own from then on: what is issued passes through its queue, and what asks for the
// handle waits until the queue is empty.
class CudaStream final : public Stream {
 public:
  // A communication stream has the higher priority: it starts when multiprocessors come free.
  CudaStream(Device& device, StreamKind kind, int id, std::string name, int ordinal,
             std::shared_ptr<Faults> faults);
  ~CudaStream() override;  // waits for what was issued

  cudaStream_t handle() const;
  FaultView faults() const { return faults_->view(); }
  Where where() const { return {ordinal_, *shared_name_}; }

  // `work` is given the handle: at once, or by the thread of the host queue.
  template <class Work>
  void Issue(Work&& work) {
    if (queue_ == nullptr) return work(handle_.get());
    queue_->Push([to = handle_.get(), work = std::forward<Work>(work)] { work(to); },
                 device().wait_limit());
  }

  void Synchronize(std::chrono::milliseconds limit) override;
  // Waits for the GPU alone. Any thread.
  void AwaitGpu(std::chrono::milliseconds limit) const;
  // See HostQueueOf.
  WorkQueue* StartHostQueue();

 protected:
  void DoRecord(Event& event) override;
  void DoWait(Event& event) override;

 private:
  void EndHostQueue();

  int ordinal_;
  std::shared_ptr<Faults> faults_;                  // shared_ptr: see CudaEvent
  std::shared_ptr<const std::string> shared_name_;  // shared_ptr: see CudaEvent
  const std::string waiter_name_;
  UniqueHandle<StreamTraits> handle_;
  std::shared_ptr<WorkQueue> queue_;  // null: none. shared_ptr: see CudaEvent
  std::jthread worker_;
};

// Checked: an op of the cuda device is issued to a stream of the cuda device.
CudaStream& CudaStreamOf(Stream& stream);

}  // namespace cadmus::cuda
