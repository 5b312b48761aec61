// SPDX-License-Identifier: Apache-2.0
// Device: memory, streams, events, copies, properties and the table of kernels. Three exist: cpu,
// cuda, sim; they are opened by OpenDevice (kernels/open_device.h). One device serves one rank and
// is used from that rank's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "kernels/base/tensor_view.h"
#include "kernels/device/allocator.h"
#include "kernels/device/gpu.h"
#include "kernels/device/kernel_table.h"
#include "kernels/device/stream.h"

namespace cadmus {

class Trace;

enum class DeviceKind { kCpu, kCuda, kSim };

// What the pure kernel choosers may know of a device. A sim device has those of what it stands for,
// its kind included.
struct DeviceProperties {
  DeviceKind kind = DeviceKind::kCpu;
  std::string name;            // "cpu: 2 threads, AVX-512"
  int64_t memory_bytes = 0;    // size of the slab
  int compute_units = 1;       // threads of a CPU, multiprocessors of a GPU
  int capability = 0;          // 90 for sm_90; 0 where it means nothing
  bool bf16_products = false;  // of a CPU: AVX512-BF16 or AMX
  bool avx512 = false;         // of a CPU: our own kernels are compiled for it
};

class Device {
 public:
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  virtual ~Device() = default;

  const DeviceProperties& properties() const { return properties_; }
  const KernelTable& kernels() const { return kernels_; }
  Allocator& allocator() { return *allocator_; }
  // Whether there is memory behind the addresses. Where there is none (sim), nothing that is copied
  // here is ever read, and values that are dear to compute need not be.
  virtual bool holds_values() const { return true; }
  // What the driver says of the GPU's memory; nothing where there is no GPU. Not on the step path.
  virtual std::optional<GpuMemory> ReadGpuMemory() const { return std::nullopt; }

  virtual std::unique_ptr<Stream> NewStream(StreamKind kind, std::string name) = 0;
  virtual std::unique_ptr<Event> NewEvent() = 0;
  // Host memory from and to which copies are asynchronous: pinned on a GPU, plain elsewhere. Throws
  // kOutOfMemory. shared_ptr: what was copied from it last may outlive its user.
  virtual std::shared_ptr<void> NewHostMemory(int64_t bytes);

  // Copies between host and device, and on the device: same dtype and shape, contiguous.
  // Asynchronous: the host memory must stay valid and unchanged until `stream` has passed the copy.
  // Nothing is copied on the sim device.
  void CopyToDevice(const TensorView& device_destination, const ConstTensorView& host_source,
                    Stream& stream);
  void CopyToHost(const TensorView& host_destination, const ConstTensorView& device_source,
                  Stream& stream);
  void CopyOnDevice(const TensorView& destination, const ConstTensorView& source, Stream& stream);
  // All bytes to zero: the value 0 of every dtype. Contiguous.
  void FillZero(const TensorView& destination, Stream& stream);

  // While set, everything issued to this device is appended to it. Null at first, but on the sim
  // device.
  Trace* trace() const { return trace_; }
  void set_trace(Trace* trace) { trace_ = trace; }

  // The longest that the host waits for this device before it calls it a hang.
  std::chrono::milliseconds wait_limit() const { return wait_limit_; }
  void set_wait_limit(std::chrono::milliseconds limit) { wait_limit_ = limit; }

 protected:
  Device(DeviceProperties properties, KernelTable kernels, std::unique_ptr<Allocator> allocator)
      : properties_(std::move(properties)),
        kernels_(std::move(kernels)),
        allocator_(std::move(allocator)) {}

  virtual void DoCopy(void* destination, const void* source, int64_t bytes, Stream& stream) = 0;
  virtual void DoFillZero(void* destination, int64_t bytes, Stream& stream) = 0;

 private:
  DeviceProperties properties_;
  KernelTable kernels_;
  std::unique_ptr<Allocator> allocator_;
  Trace* trace_ = nullptr;
  std::chrono::milliseconds wait_limit_ = std::chrono::minutes(10);
};

}  // namespace cadmus
