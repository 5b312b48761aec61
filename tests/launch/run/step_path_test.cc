// SPDX-License-Identifier: Apache-2.0
// From its second run on, a training step takes no memory from the driver or the heap, opens no
// file, and uses the same addresses. Counted by standing in front of the allocation functions of
// the whole process, all of its threads included. (The maps that OpenBLAS makes when one more
// thread than ever before calls it at the same time are its own; operator new is counted whoever
// calls it.)
#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <barrier>
#include <cstdarg>
#include <cstdlib>
#include <new>

#include "collectives/local/local_world.h"
#include "launch/config/run_config.pb.h"
#include "tests/launch/run/training_fixture.h"

namespace {

std::atomic<bool> counting = false;
std::atomic<int64_t> heap_allocations = 0;
std::atomic<int64_t> file_opens = 0;
std::atomic<int64_t> memory_maps = 0;

void Count(std::atomic<int64_t>& counter) {
  if (counting.load(std::memory_order_relaxed)) ++counter;
}

// Whether a return address lies in the program itself, which holds all of Cadmus.
bool IsOurs(void* return_address) {
  Dl_info caller = {}, here = {};
  return ::dladdr(return_address, &caller) != 0 &&
         ::dladdr(reinterpret_cast<void*>(&Count), &here) != 0 &&
         caller.dli_fbase == here.dli_fbase;
}

template <class Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

// Not inlined: the compiler would see malloc paired with delete, and warn.
[[gnu::noinline]] void* operator new(size_t size) {
  Count(heap_allocations);
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t size, std::align_val_t alignment) {
  Count(heap_allocations);
  const auto a = static_cast<size_t>(alignment);
  if (void* memory = std::aligned_alloc(a, (size + a - 1) / a * a)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  std::free(memory);
}

extern "C" {

int open(const char* path, int flags, ...) {
  Count(file_opens);
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return Next<int(const char*, int, mode_t)>("open")(path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...) {
  Count(file_opens);
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return Next<int(int, const char*, int, mode_t)>("openat")(folder, path, flags, mode);
}

void* mmap(void* address, size_t length, int protection, int flags, int file, off_t offset) {
  if (IsOurs(__builtin_return_address(0))) Count(memory_maps);
  return Next<void*(void*, size_t, int, int, int, off_t)>("mmap")(address, length, protection,
                                                                  flags, file, offset);
}

}  // extern "C"

namespace cadmus {
namespace {

// Runs five steps on each of `num_ranks` local ranks and counts from the second to the last.
void CountSteps(int num_ranks) {
  const TemporaryFolder folder;
  const RunConfig config =
      TinyRun();  // f64: all products go through OpenBLAS, which keeps its buffers
  const auto data = UnevenDocuments(folder.path(), 131);
  const auto pool = MakeThreadPool(2);
  std::barrier together(num_ranks);
  heap_allocations = file_opens = memory_maps = 0;
  RunLocalRanks(num_ranks, [&](Bootstrap& bootstrap) {
    const auto device = OpenTestDevice(pool);
    const auto world = bootstrap.Connect(*device);
    TrainingJob job(config, *device, *world);
    const GlobalBatch batches(data, job.loader_options());
    StepBatch batch = batches.Allocate();
    uint64_t hash = 0;
    for (int step = 0; step < 5; ++step) {
      batches.Fill(step, batch);
      together.arrive_and_wait();
      counting = step >= 1;
      together.arrive_and_wait();
      job.step().Run(batch, StopRequest::kNo);
      together.arrive_and_wait();
      counting = false;
      together.arrive_and_wait();
      const uint64_t now = device->allocator().address_hash();
      if (step >= 2) {
        EXPECT_EQ(now, hash) << "step " << step;
      }
      hash = now;
    }
  });
  EXPECT_EQ(heap_allocations.load(), 0);
  EXPECT_EQ(file_opens.load(), 0);
  EXPECT_EQ(memory_maps.load(), 0);
}

TEST(StepPath, TheCountersCount) {
  heap_allocations = file_opens = memory_maps = 0;
  counting = true;
  std::free(::malloc(1));
  ::operator delete(::operator new(8));
  (void)::open("/dev/null", O_RDONLY);
  void* page = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  counting = false;
  ::munmap(page, 4096);
  EXPECT_EQ(heap_allocations.load(), 1);
  EXPECT_EQ(file_opens.load(), 1);
  EXPECT_EQ(memory_maps.load(), 1);
}

TEST(StepPath, OneRankAllocatesAndOpensNothing) { CountSteps(1); }

TEST(StepPath, TwoRanksAllocateAndOpenNothing) { CountSteps(2); }

}  // namespace
}  // namespace cadmus
