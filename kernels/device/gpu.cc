// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/gpu.h"

#include <cmath>

#include "kernels/base/quantity.h"
#include "kernels/base/str_cat.h"

namespace cadmus {

std::string ToString(const Gpu& gpu) {
  return StrCat("GPU ", gpu.index, ", ", gpu.name, ", ", gpu.pci_id, ", ", gpu.uuid);
}

int64_t EstimateCudaContextBytes(int multiprocessors) {
  constexpr int64_t kBytesOfEach = int64_t{3200} << 10;
  return multiprocessors * kBytesOfEach;
}

int MultiprocessorsOf(int capability) {
  if (capability >= 100) return 148;
  if (capability >= 90) return 132;
  return 108;
}

std::string SlabProblem(const SlabRoom& room) {
  const int64_t largest = room.free_bytes - room.later_bytes;
  if (room.slab_bytes <= largest) return "";
  const double tenths = std::floor(static_cast<double>(largest) / (1 << 30) * 10);
  const std::string smaller =
      tenths > 0 ? StrCat("set device.memory_gib = ", FixedText(tenths / 10, 1), " or less, or ")
                 : "";
  return StrCat("a slab of ", BytesText(room.slab_bytes), " and ", BytesText(room.later_bytes),
                " for libraries do not fit: ", BytesText(room.free_bytes), " of the GPU's ",
                BytesText(room.total_bytes), " are free beside the context: ", smaller,
                "end what else uses this GPU (nvidia-smi names it)");
}

}  // namespace cadmus
