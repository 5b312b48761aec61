// SPDX-License-Identifier: Apache-2.0
#include "models/layers/rope_tables.h"

#include <vector>

namespace cadmus {

RopeTables::RopeTables(const RopeFrequencies& frequencies, int64_t num_positions, DType dtype,
                       Stream& stream)
    : cos_PF_(dtype, {num_positions, frequencies.head_dim / 2}, MemoryCategory::kWeights, stream),
      sin_PF_(dtype, {num_positions, frequencies.head_dim / 2}, MemoryCategory::kWeights, stream) {
  const auto num_bytes = static_cast<size_t>(cos_PF_.view().num_bytes());
  std::vector<std::byte> cos(num_bytes), sin(num_bytes);
  const TensorView host_cos(cos.data(), dtype, cos_PF_.view().shape());
  const TensorView host_sin(sin.data(), dtype, sin_PF_.view().shape());
  FillRopeTables(frequencies, host_cos, host_sin);
  stream.device().CopyToDevice(cos_PF_, host_cos, stream);
  stream.device().CopyToDevice(sin_PF_, host_sin, stream);
  stream.Synchronize(stream.device().wait_limit());
}

}  // namespace cadmus
