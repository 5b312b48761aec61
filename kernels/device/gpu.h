// SPDX-License-Identifier: Apache-2.0
// What is said of a GPU outside its back end: who it is, what its memory holds, and whether a slab
// leaves room there. Pure, so that planning needs no GPU.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace cadmus {

// A GPU that this process may open.
struct Gpu {
  int index = 0;       // among those that CUDA_VISIBLE_DEVICES leaves
  std::string name;    // "NVIDIA H200"
  std::string pci_id;  // "0000:1b:00.0"
  std::string uuid;    // "GPU-…" as nvidia-smi shows it: the same in every process and host
  int64_t memory_bytes = 0;
};

// "GPU 3, NVIDIA H200, 0000:1b:00.0, GPU-…"
std::string ToString(const Gpu& gpu);

// A GPU's memory as its driver counts it, by everybody who uses the GPU.
struct GpuMemory {
  int64_t total_bytes = 0;
  int64_t free_bytes = 0;
  int64_t slab_bytes = 0;  // of the device that was asked
  // What was used before this process came, other processes' and the driver's; absent where NVML
  // does not say. It counts the context of an earlier device of this process.
  std::optional<int64_t> used_before_bytes;

  int64_t used_bytes() const { return total_bytes - free_bytes; }
  // Used beside the slab since this process came: context, libraries, NCCL's buffers. Of everybody
  // where it is not known what was used before; slabs of ranks that share the GPU are in it.
  int64_t context_bytes() const {
    return used_bytes() - used_before_bytes.value_or(0) - slab_bytes;
  }
};

// What a process takes of a GPU's memory before its first tensor and beside its slab. An estimate:
// a context reserves memory for the threads that a multiprocessor can hold, and public readings of
// bare contexts of CUDA 12 and 13 lie at 3.0 to 3.2 MiB for each: 107 MiB of 34 multiprocessors
// (RTX 4060 Ti), 256 of 82 (RTX 3090), 426 of 142 (RTX 6000 Ada), 555 of 188 (RTX PRO 6000). Not
// yet measured by Cadmus.
int64_t EstimateCudaContextBytes(int multiprocessors);

// Machine code of our kernels and of the libraries', which they load at their first use. A guess.
inline constexpr int64_t kGpuLibraryBytes = int64_t{128} << 20;

// Multiprocessors of the GPU that a capability (90 for sm_90) is known for, the larger where there
// are several: of A100, H100 and H200, B200.
int MultiprocessorsOf(int capability);

// Why a slab of `slab_bytes` and what is loaded beside it later do not fit where a context already
// is, with the largest device.memory_gib that does; empty if they do.
struct SlabRoom {
  int64_t slab_bytes = 0;
  int64_t later_bytes = kGpuLibraryBytes;  // libraries' and, beside them, NCCL's
  int64_t free_bytes = 0;
  int64_t total_bytes = 0;
};
std::string SlabProblem(const SlabRoom& room);

}  // namespace cadmus
