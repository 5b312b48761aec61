// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/host_value.h"

#include <new>

#include "kernels/base/log.h"

namespace cadmus {

// The sim device copies nothing, so there the value stays what it is here.
HostValue::HostValue(Device& device, double expectation)
    : device_(device),
      memory_(device.NewHostMemory(sizeof(double))),
      value_(new (memory_.get()) double(expectation)),
      arrived_(device.NewEvent()) {}

HostValue::~HostValue() {
  if (!fetched_) return;
  try {
    arrived_->Synchronize(device_.wait_limit());
  } catch (const std::exception& e) {
    LogError(StrCat("a host value ends before its copy: ", e.what()));
    // The copy may still write there.
    static_cast<void>(new std::shared_ptr<void>(std::move(memory_)));
  }
}

void HostValue::Fetch(const ConstTensorView& scalar, Stream& stream) {
  CADMUS_CHECK(
      scalar.dtype() == DType::kF64 && scalar.num_elements() == 1,
      StrCat("a host value is one F64, not ", Name(scalar.dtype()), scalar.shape().ToString()));
  device_.CopyToHost(TensorView(value_, DType::kF64, scalar.shape()), scalar, stream);
  stream.Record(*arrived_);
  fetched_ = true;
}

double HostValue::Get() {
  CADMUS_CHECK(fetched_, "a host value is read before it is fetched");
  arrived_->Synchronize(device_.wait_limit());
  return *value_;
}

}  // namespace cadmus
