// SPDX-License-Identifier: Apache-2.0
// A safetensors file: what is accepted can be read to its last byte.
#include "runtime/formats/safetensors.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cadmus;
  const std::string path = WriteInput("file.safetensors", AsText(data, size));
  ExpectOnly(Kind::kData, [&] {
    const SafetensorsFile file(path, Kind::kData);
    unsigned sum = 0;
    for (const SafetensorsTensor& tensor : file.tensors()) {
      const std::span<const std::byte> bytes = file.TensorBytes(tensor.name);
      CADMUS_CHECK(
          static_cast<int64_t>(bytes.size()) == tensor.shape.num_elements() * SizeOf(tensor.dtype),
          tensor.name);
      for (const std::byte byte : bytes) sum += static_cast<unsigned>(byte);
    }
    volatile unsigned sink = sum;  // keeps the reads
    (void)sink;
  });
  return 0;
}
