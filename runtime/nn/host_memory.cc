// SPDX-License-Identifier: Apache-2.0
#include "runtime/nn/host_memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "kernels/base/error.h"

namespace cadmus {

HostMemory::HostMemory(int64_t num_bytes) : num_bytes_(num_bytes) {
  if (num_bytes == 0) return;
  data_ = ::mmap(nullptr, static_cast<size_t>(num_bytes), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data_ == MAP_FAILED) {
    data_ = nullptr;
    throw Error(
        Kind::kOutOfMemory,
        StrCat("cannot reserve ", num_bytes, " bytes of host memory: ", std::strerror(errno),
               "; switch train.offload_activations off, or raise the limit on address space "
               "(ulimit -v, vm.overcommit_memory)"));
  }
}

HostMemory::HostMemory(HostMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), num_bytes_(std::exchange(other.num_bytes_, 0)) {}

HostMemory& HostMemory::operator=(HostMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(num_bytes_, other.num_bytes_);
  return *this;
}

HostMemory::~HostMemory() {
  if (data_ != nullptr) ::munmap(data_, static_cast<size_t>(num_bytes_));
}

void HostMemory::Abandon() noexcept {
  data_ = nullptr;
  num_bytes_ = 0;
}

}  // namespace cadmus
