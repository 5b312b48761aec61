// SPDX-License-Identifier: Apache-2.0
#include "models/interop/parameters.h"

#include "kernels/device/device.h"
#include "kernels/open_device.h"
#include "models/decoder/model.h"

namespace cadmus {

// The model itself says what it has, on a device that only records.
std::vector<NamedShape> ParametersOf(const DecoderShape& shape) {
  const std::unique_ptr<Device> device =
      OpenDevice({.kind = DeviceKind::kSim, .memory_bytes = int64_t{1} << 50});
  const std::unique_ptr<Stream> stream = device->NewStream(StreamKind::kCompute, "shapes");
  DecoderModel model(shape, Precision::All(DType::kF32), *stream);
  std::vector<NamedShape> parameters;
  for (const Parameter* parameter : model.stage().Parameters()) {
    parameters.push_back({.name = parameter->name, .shape = parameter->shape});
  }
  return parameters;
}

}  // namespace cadmus
