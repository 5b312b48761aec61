// SPDX-License-Identifier: Apache-2.0
// Faults: failed checks of values that only the device sees (a token outside the vocabulary). A
// kernel reports the first one and from then on checked kernels write nothing; the host throws it
// as an Error when it next waits for the device.
#pragma once

#include <cstdint>
#include <exception>
#include <mutex>

namespace cadmus::cuda {

enum class FaultCode : int32_t { kNone, kToken, kPosition, kLabel, kStep };

// Written by the device, read by the host; in pinned memory that both address.
struct FaultRecord {
  FaultCode code = FaultCode::kNone;
  int32_t value = 0;
  int64_t at = 0;     // where the value stands
  int64_t limit = 0;  // it must be below
};

// What a kernel is given.
struct FaultView {
  int32_t* raised = nullptr;  // in device memory: 0, or 1 once a fault is recorded
  FaultRecord* record = nullptr;
};

// Shared by the device, its streams and its events, which may outlive one another: shared_ptr.
class Faults {
 public:
  // `raised` lies in the device's own memory; it starts as 0.
  Faults(int device, int32_t* raised);
  Faults(const Faults&) = delete;
  Faults& operator=(const Faults&) = delete;
  ~Faults();

  FaultView view() const { return view_; }
  // Throws the reported fault, if any, and clears it. The caller has waited for the device.
  void ThrowIfRaised();

  // A failure that the host has found, for who waits for the device: thrown once. Any thread.
  void Fail(std::exception_ptr failure);
  void ThrowIfFailed();

 private:
  int device_;
  FaultRecord* host_record_ = nullptr;
  FaultView view_;
  std::mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace cadmus::cuda
