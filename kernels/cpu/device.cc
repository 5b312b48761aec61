// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/device.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "kernels/cpu/register.h"
#include "kernels/cpu/stream.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/cpu/transposed_product.h"

namespace cadmus::cpu {
namespace {

const char* VectorUnits() {
  if (__builtin_cpu_supports("avx512f")) return "AVX-512";
  if (__builtin_cpu_supports("avx2")) return "AVX2";
  return "no AVX2";
}

// A processor with AMX has these too.
bool HasBf16Products() { return __builtin_cpu_supports("avx512bf16"); }

DeviceProperties PropertiesOf(int64_t memory_bytes, const ThreadPool& pool) {
  DeviceProperties properties;
  properties.kind = DeviceKind::kCpu;
  properties.name = StrCat("cpu: ", pool.num_threads(),
                           pool.num_threads() == 1 ? " thread, " : " threads, ", VectorUnits());
  properties.memory_bytes = memory_bytes;
  properties.compute_units = pool.num_threads();
  properties.bf16_products = HasBf16Products();
  properties.avx512 = HasTransposedProduct();
  return properties;
}

KernelTable AllKernels() {
  KernelTable table("cpu");
  RegisterKernels(table);
  return table;
}

}  // namespace

class CpuDevice::Slab {
 public:
  explicit Slab(int64_t bytes) : bytes_(static_cast<size_t>(bytes)) {
    if (bytes <= 0)
      throw Error(Kind::kConfig, StrCat("memory_bytes is ", bytes, ": it must be positive"));
    // Not backed until touched: only what a run uses becomes resident.
    data_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data_ == MAP_FAILED) {
      throw Error(
          Kind::kOutOfMemory,
          StrCat("cannot reserve ", bytes, " bytes for the cpu device: ", std::strerror(errno),
                 "; lower `device.memory_gib`, or raise the limit on address space "
                 "(ulimit -v, vm.overcommit_memory)"));
    }
    // Products walk over many pages at a time: large ones spare a fifth of their time. Where the
    // system has none, nothing changes.
    ::madvise(data_, bytes_, MADV_HUGEPAGE);
  }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() { ::munmap(data_, bytes_); }

  void* data() const { return data_; }
  int64_t bytes() const { return static_cast<int64_t>(bytes_); }

 private:
  void* data_ = nullptr;
  size_t bytes_;
};

CpuDevice::CpuDevice(int64_t memory_bytes, std::shared_ptr<ThreadPool> pool, CpuStreams streams)
    : CpuDevice(std::make_unique<Slab>(memory_bytes), std::move(pool), streams) {}

CpuDevice::CpuDevice(std::unique_ptr<Slab> slab, std::shared_ptr<ThreadPool> pool,
                     CpuStreams streams)
    : Device(PropertiesOf(slab->bytes(), *pool), AllKernels(),
             std::make_unique<Allocator>(slab->data(), slab->bytes())),
      slab_(std::move(slab)),
      pool_(std::move(pool)),
      streams_(streams) {}

CpuDevice::~CpuDevice() = default;

std::unique_ptr<Stream> CpuDevice::NewStream(StreamKind kind, std::string name) {
  const bool runs_inline = kind == StreamKind::kCompute && streams_ == CpuStreams::kInline;
  return std::make_unique<CpuStream>(
      *this, kind, num_streams_++, std::move(name),
      runs_inline ? CpuStream::Execution::kInline : CpuStream::Execution::kWorker);
}

std::unique_ptr<Event> CpuDevice::NewEvent() { return std::make_unique<CpuEvent>(num_events_++); }

void CpuDevice::DoCopy(void* destination, const void* source, int64_t bytes, Stream& stream) {
  Run(stream, [=] { std::memcpy(destination, source, static_cast<size_t>(bytes)); });
}

void CpuDevice::DoFillZero(void* destination, int64_t bytes, Stream& stream) {
  Run(stream, [=] { std::memset(destination, 0, static_cast<size_t>(bytes)); });
}

ThreadPool& PoolOf(Stream& stream) {
  auto* device = dynamic_cast<CpuDevice*>(&stream.device());
  CADMUS_CHECK(device != nullptr,
               StrCat("stream ", stream.name(), " is not a stream of a cpu device"));
  return device->pool();
}

}  // namespace cadmus::cpu
