// SPDX-License-Identifier: Apache-2.0
// The cuda device's stream and event, and what a kernel's host function needs of a stream: its
// handle, and where faults are reported.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <string>

#include "kernels/base/unique_handle.h"
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/faults.h"
#include "kernels/device/device.h"

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
  int device_;
  // shared_ptr: an event may outlive the stream that it was recorded in, and the device.
  std::shared_ptr<Faults> faults_;
  std::shared_ptr<const std::string> stream_name_;  // of the last record
  UniqueHandle<EventTraits> handle_;
};

class CudaStream final : public Stream {
 public:
  // A communication stream has the higher priority: it starts when multiprocessors come free.
  CudaStream(Device& device, StreamKind kind, int id, std::string name, int ordinal,
             std::shared_ptr<Faults> faults);
  ~CudaStream() override;  // waits for what was issued

  cudaStream_t handle() const { return handle_.get(); }
  FaultView faults() const { return faults_->view(); }
  Where where() const { return {ordinal_, *shared_name_}; }

  void Synchronize(std::chrono::milliseconds limit) override;

 protected:
  void DoRecord(Event& event) override;
  void DoWait(Event& event) override;

 private:
  int ordinal_;
  std::shared_ptr<Faults> faults_;                  // shared_ptr: see CudaEvent
  std::shared_ptr<const std::string> shared_name_;  // shared_ptr: see CudaEvent
  UniqueHandle<StreamTraits> handle_;
};

// Checked: an op of the cuda device is issued to a stream of the cuda device.
CudaStream& CudaStreamOf(Stream& stream);

}  // namespace cadmus::cuda
