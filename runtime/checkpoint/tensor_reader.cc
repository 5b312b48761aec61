// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/tensor_reader.h"

#include <algorithm>

#include "runtime/checkpoint/box_reader.h"

namespace cadmus {
TensorReader::TensorReader(const std::filesystem::path& checkpoint)
    : manifest_(ReadManifest(checkpoint)), chunks_(checkpoint, manifest_) {
  for (const StoredTensor& tensor : manifest_.tensors) tensors_.emplace(tensor.name, &tensor);
}

const StoredTensor* TensorReader::Find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : found->second;
}

void TensorReader::Read(const StoredTensor& tensor, const Box& box,
                        const std::function<void(std::span<const std::byte>)>& take) {
  const int64_t element_bytes = SizeOf(tensor.dtype);
  BoxReader elements(tensor, box, chunks_);
  while (elements.elements_left() > 0) {
    const int64_t count = std::min(elements.elements_left(), kHostBufferBytes / element_bytes);
    buffer_.resize(static_cast<size_t>(count * element_bytes));
    elements.Read(buffer_);
    take(buffer_);
  }
}

}  // namespace cadmus
