// SPDX-License-Identifier: Apache-2.0
// ContextMemory: what a rank takes of its GPU beside its slab, as a plan says it: estimates, until
// they have been measured. A run logs them beside what its driver says.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/device/device.h"
#include "launch/config/make_communicator_options.h"
#include "runtime/mesh/axis_sizes.h"

namespace cadmus {

class RunConfig;

struct ContextMemory {
  int64_t context_bytes = 0;
  int64_t library_bytes = 0;
  int64_t nccl_bytes = 0;

  int64_t total_bytes() const { return context_bytes + library_bytes + nccl_bytes; }
  // Taken after the slab, which must leave room for it.
  int64_t later_bytes() const { return library_bytes + nccl_bytes; }
  friend bool operator==(const ContextMemory&, const ContextMemory&) = default;
};

// What NCCL takes for a group, at least: 16 channels, each with the buffers of its three protocols
// (4 MiB, NCCL_BUFFSIZE; 0.5 MiB; 4.7 MiB) at one end of a ring. More where trees, NVLink SHARP or
// networks are used. A guess.
inline constexpr int64_t kNcclGroupBytes = int64_t{148} << 20;

// Nothing for a device that is no GPU. With NCCL, buffers of the world and of each axis of two
// ranks or more, twice for pp; what replicas of key/value heads and holders of a tied table take for
// theirs is left out.
ContextMemory EstimateContextMemory(const DeviceProperties& device, const AxisSizes& layout,
                                    TransportKind transport);
// That of a config's device and layout, before any GPU is asked.
ContextMemory PlanContextMemory(const RunConfig& config, int world_size, TransportKind transport);

// "context and libraries 812.0MiB measured, 690.0MiB planned; slab 70.0GiB; 8.3GiB of the GPU's
// 80.0GiB are free"
std::string ContextMemoryText(const ContextMemory& planned, const GpuMemory& measured);

}  // namespace cadmus
