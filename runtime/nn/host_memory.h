// SPDX-License-Identifier: Apache-2.0
// HostMemory: pages of the host for what leaves a device. Not backed until written: on the sim
// device, which copies nothing, it costs address space only.
#pragma once

#include <cstdint>

namespace cadmus {

class HostMemory {
 public:
  HostMemory() = default;
  // Throws kOutOfMemory where the address space cannot be had.
  explicit HostMemory(int64_t num_bytes);
  HostMemory(HostMemory&& other) noexcept;
  HostMemory& operator=(HostMemory&& other) noexcept;
  ~HostMemory();

  void* data() const { return data_; }
  int64_t num_bytes() const { return num_bytes_; }

  // Gives the pages up without returning them: something may still write there.
  void Abandon() noexcept;

 private:
  void* data_ = nullptr;
  int64_t num_bytes_ = 0;
};

}  // namespace cadmus
