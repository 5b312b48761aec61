// SPDX-License-Identifier: Apache-2.0
#include "tests/support/allocation_count.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<int64_t> num_allocations = 0;

void* Count(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  num_allocations.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

size_t RoundedUp(size_t bytes, std::align_val_t alignment) {
  const auto unit = static_cast<size_t>(alignment);
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace

void* operator new(size_t bytes) { return Count(std::malloc(bytes == 0 ? 1 : bytes)); }
void* operator new(size_t bytes, std::align_val_t alignment) {
  return Count(std::aligned_alloc(static_cast<size_t>(alignment), RoundedUp(bytes, alignment)));
}
// The library's own would call the one above, a sanitizer's would not.
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory != nullptr) num_allocations.fetch_add(1, std::memory_order_relaxed);
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }

namespace cadmus {

int64_t NumAllocations() { return num_allocations.load(); }

}  // namespace cadmus
