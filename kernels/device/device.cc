// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/device.h"

#include <new>

#include "kernels/device/trace.h"

namespace cadmus {
namespace {

void CheckCopy(const char* name, const ConstTensorView& destination,
               const ConstTensorView& source) {
  CADMUS_CHECK(destination.dtype() == source.dtype() && destination.shape() == source.shape(),
               StrCat(name, ": ", Name(source.dtype()), source.shape().ToString(), " does not fit ",
                      Name(destination.dtype()), destination.shape().ToString()));
  CADMUS_CHECK(destination.IsContiguous() && source.IsContiguous(),
               StrCat(name, ": both sides must be contiguous"));
}

// The trace entry of a copy; an absent view is a side on the host.
void Note(const char* name, const ConstTensorView& destination, const ConstTensorView& source,
          const Stream& stream) {
  Trace* trace = stream.device().trace();
  if (trace == nullptr) return;
  AccessCollector collector;
  collector.Read("source", source);
  collector.Write("destination", destination);
  const int64_t bytes = destination ? destination.num_bytes() : source.num_bytes();
  TraceEntry entry;
  entry.kind = TraceEntry::Kind::kCopy;
  entry.stream = stream.id();
  entry.name = name;
  entry.detail = collector.TakeDetail();
  entry.payload_bytes = bytes;
  entry.cost.bytes = static_cast<double>(bytes) * (destination && source ? 2 : 1);
  entry.accesses = collector.Take();
  trace->Append(std::move(entry));
}

}  // namespace

std::shared_ptr<void> Device::NewHostMemory(int64_t bytes) {
  CADMUS_CHECK(bytes >= 0, StrCat("host memory of ", bytes, " bytes"));
  return {::operator new(static_cast<size_t>(bytes)),
          [](void* memory) { ::operator delete(memory); }};
}

void Device::CopyToDevice(const TensorView& device_destination, const ConstTensorView& host_source,
                          Stream& stream) {
  CheckCopy("copy to device", device_destination, host_source);
  Note("copy to device", device_destination, {}, stream);
  if (host_source.num_bytes() == 0) return;
  DoCopy(device_destination.raw(), host_source.raw(), host_source.num_bytes(), stream);
}

void Device::CopyToHost(const TensorView& host_destination, const ConstTensorView& device_source,
                        Stream& stream) {
  CheckCopy("copy to host", host_destination, device_source);
  Note("copy to host", {}, device_source, stream);
  if (device_source.num_bytes() == 0) return;
  DoCopy(host_destination.raw(), device_source.raw(), device_source.num_bytes(), stream);
}

void Device::CopyOnDevice(const TensorView& destination, const ConstTensorView& source,
                          Stream& stream) {
  CheckCopy("copy on device", destination, source);
  Note("copy on device", destination, source, stream);
  if (source.num_bytes() == 0) return;
  DoCopy(destination.raw(), source.raw(), source.num_bytes(), stream);
}

void Device::FillZero(const TensorView& destination, Stream& stream) {
  CADMUS_CHECK(destination.IsContiguous(), "fill zero: the destination must be contiguous");
  Note("fill zero", destination, {}, stream);
  if (destination.num_bytes() == 0) return;
  DoFillZero(destination.raw(), destination.num_bytes(), stream);
}

}  // namespace cadmus
