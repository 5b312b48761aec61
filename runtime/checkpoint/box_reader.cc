// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/box_reader.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace cadmus {

BoxReader::BoxReader(const StoredTensor& tensor, const Box& wanted, ChunkReader& reader)
    : reader_(reader), element_bytes_(SizeOf(tensor.dtype)), end_(wanted.num_elements()) {
  CADMUS_CHECK(IsBoxOf(wanted, tensor.shape, element_bytes_),
               StrCat(tensor.name, ": ", wanted.ToString(), " of ", tensor.shape.ToString()));
  for (const StoredBox& stored : tensor.boxes) {
    BoxRuns runs(stored.box, wanted);
    if (!runs.done()) sources_.push_back({.stored = &stored, .runs = runs});
  }
}

void BoxReader::Read(std::span<std::byte> out) {
  const int64_t num_elements = static_cast<int64_t>(out.size()) / element_bytes_;
  CADMUS_CHECK(num_elements * element_bytes_ == static_cast<int64_t>(out.size()) &&
                   num_elements <= elements_left(),
               StrCat(out.size(), " bytes of ", elements_left(), " elements"));
  const int64_t begin = at_, end = at_ + num_elements;
  int64_t filled = 0;
  for (auto& [stored, runs] : sources_) {
    while (!runs.done() && runs.destination_element() < end) {
      const int64_t count = std::min(runs.num_elements(), end - runs.destination_element());
      reader_.Read(
          stored->file, stored->byte_offset + runs.source_element() * element_bytes_,
          out.subspan(static_cast<size_t>((runs.destination_element() - begin) * element_bytes_),
                      static_cast<size_t>(count * element_bytes_)));
      filled += count;
      runs.Advance(count);
    }
  }
  CADMUS_CHECK(filled == num_elements,
               StrCat(filled, " of ", num_elements, " elements are stored"));
  at_ = end;
}

}  // namespace cadmus
