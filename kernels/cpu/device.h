// SPDX-License-Identifier: Apache-2.0
// The cpu device: a slab of reserved addresses that becomes resident as it is touched, streams as
// CpuStreams says, one pool shared by the ranks of the process.
#pragma once

#include <memory>
#include <string>

#include "kernels/cpu/cpu_streams.h"
#include "kernels/device/device.h"

namespace cadmus::cpu {

class ThreadPool;

class CpuDevice final : public Device {
 public:
  // Throws kOutOfMemory where the slab cannot be reserved. shared_ptr: ranks share the pool.
  CpuDevice(int64_t memory_bytes, std::shared_ptr<ThreadPool> pool, CpuStreams streams);
  ~CpuDevice() override;

  ThreadPool& pool() { return *pool_; }

  std::unique_ptr<Stream> NewStream(StreamKind kind, std::string name) override;
  std::unique_ptr<Event> NewEvent() override;

 protected:
  void DoCopy(void* destination, const void* source, int64_t bytes, Stream& stream) override;
  void DoFillZero(void* destination, int64_t bytes, Stream& stream) override;

 private:
  class Slab;
  CpuDevice(std::unique_ptr<Slab> slab, std::shared_ptr<ThreadPool> pool, CpuStreams streams);

  std::unique_ptr<Slab> slab_;
  std::shared_ptr<ThreadPool> pool_;
  CpuStreams streams_;
  int num_streams_ = 0;
  int num_events_ = 0;
};

// The pool of a cpu stream's device. Taken when an op is issued, used when it runs.
ThreadPool& PoolOf(Stream& stream);

}  // namespace cadmus::cpu
