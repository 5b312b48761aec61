// SPDX-License-Identifier: Apache-2.0
// HostValue: the only way by which a host decision may read device data. On the sim device nothing
// is copied, and the value is the expectation that its producer declared.
//
//   HostValue loss(device, std::log(vocab_size));
//   loss.Fetch(loss_sum, stream);     // asynchronous
//   if (!std::isfinite(loss.Get())) … // waits
#pragma once

#include <memory>

#include "kernels/base/tensor_view.h"
#include "kernels/device/device.h"

namespace cadmus {

class HostValue {
 public:
  HostValue(Device& device, double expectation);
  HostValue(const HostValue&) = delete;
  HostValue& operator=(const HostValue&) = delete;
  ~HostValue();  // waits for a copy under way

  // Starts to bring one f64 element to the host, behind the work issued to `stream`.
  void Fetch(const ConstTensorView& scalar, Stream& stream);
  // Waits for the last Fetch, at most the device's wait limit. Requires a Fetch before.
  double Get();

 private:
  Device& device_;
  std::shared_ptr<void> memory_;  // shared_ptr: see Device::NewHostMemory
  double* value_;                 // in it
  std::unique_ptr<Event> arrived_;
  bool fetched_ = false;
};

}  // namespace cadmus
