// SPDX-License-Identifier: Apache-2.0
#include "launch/run/context_memory.h"

#include "kernels/base/quantity.h"
#include "kernels/base/str_cat.h"
#include "launch/config/make_device_options.h"
#include "launch/config/run_config.pb.h"
#include "runtime/mesh/make_mesh.h"

namespace cadmus {
namespace {

int NumConnectedGroups(const AxisSizes& layout) {
  int count = 0;
  for (const int size : {layout.tp, layout.pp, layout.pp, layout.dp_shard, layout.dp_replicate}) {
    if (size > 1) ++count;
  }
  return count == 0 ? 0 : count + 1;  // and the world
}

}  // namespace

ContextMemory EstimateContextMemory(const DeviceProperties& device, const AxisSizes& layout,
                                    TransportKind transport) {
  if (device.kind != DeviceKind::kCuda) return {};
  const bool is_nccl = transport == TransportKind::kNccl;
  return {.context_bytes = EstimateCudaContextBytes(device.compute_units),
          .library_bytes = kGpuLibraryBytes,
          .nccl_bytes = is_nccl ? NumConnectedGroups(layout) * kNcclGroupBytes : 0};
}

ContextMemory PlanContextMemory(const RunConfig& config, int world_size, TransportKind transport) {
  return EstimateContextMemory(PlannedProperties(config.device()),
                               MakeMesh(config.parallel(), world_size).sizes(), transport);
}

std::string ContextMemoryText(const ContextMemory& planned, const GpuMemory& measured) {
  return StrCat("context and libraries ", BytesText(measured.context_bytes()), " measured, ",
                BytesText(planned.total_bytes()), " planned; slab ", BytesText(measured.slab_bytes),
                "; ", BytesText(measured.free_bytes), " of the GPU's ",
                BytesText(measured.total_bytes), " are free",
                measured.used_before_bytes ? "" : " (what else uses it is counted as context)");
}

}  // namespace cadmus
