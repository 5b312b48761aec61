// SPDX-License-Identifier: Apache-2.0
// Allocator: deterministic first fit inside one slab that is taken in set-up and never grows. The
// same requests in the same order give the same addresses on every device, the sim device included.
// Peaks are kept per category.
//
// Memory belongs to the stream that it was allocated for. Reuse by another stream, or after use by
// another stream (RecordUse), waits for those streams through events; the host never waits.
// Single-threaded: one rank, one allocator.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "kernels/device/memory_category.h"

namespace cadmus {

class Stream;

struct MemoryStats {
  std::array<int64_t, kNumMemoryCategories> current_bytes = {};
  std::array<int64_t, kNumMemoryCategories> peak_bytes = {};  // each at its own peak
  int64_t current_total_bytes = 0;
  int64_t peak_total_bytes = 0;  // of the sum, at one moment
  int64_t high_water_bytes = 0;  // of addresses: end of the highest block ever handed out
};

class Allocator {
 public:
  static constexpr int64_t kAlignment = 256;
  static constexpr int kMaxStreamsPerBlock = 8;

  // `base` is an address only: it is never dereferenced here.
  Allocator(void* base, int64_t capacity_bytes);
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;
  ~Allocator();

  // Sizes are rounded up to kAlignment; zero bytes give a unique non-null address too.
  // Throws kOutOfMemory with the request, what is free, the largest hole, the live bytes of each
  // category, and the remedy (a larger `device.memory_gib`, a smaller micro-batch).
  void* Allocate(int64_t bytes, MemoryCategory category, Stream& stream);
  // `stream` also uses this memory: after Free it is handed out again only behind the work issued
  // there so far. At most kMaxStreamsPerBlock streams may use one block, its own included.
  void RecordUse(void* memory, Stream& stream);
  void Free(void* memory) noexcept;
  // `stream` has finished and ends: nothing waits for it any more. Called by ~Stream.
  void ForgetStream(const Stream& stream) noexcept;

  const MemoryStats& stats() const;
  int64_t capacity_bytes() const;

  // A hash over the (address - base, size) sequence handed out since the last reset: equal steps
  // have equal hashes, on every device.
  uint64_t address_hash() const;
  void ResetAddressHash();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cadmus
