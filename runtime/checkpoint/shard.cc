// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/shard.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernels/device/device.h"
#include "runtime/checkpoint/chunk_checksums.h"
#include "runtime/formats/safetensors_writer.h"

namespace cadmus {
namespace {

constexpr int64_t kHostBufferBytes = int64_t{16} << 20;

Box BoxOf(const StateEntry& entry) {
  const Box box{.offset = entry.offset, .extent = entry.local.shape()};
  CADMUS_CHECK(
      IsBoxOf(box, entry.global_shape, SizeOf(entry.local.dtype())) && entry.local.IsContiguous(),
      StrCat(entry.name, ": ", box.ToString(), " of ", entry.global_shape.ToString()));
  return box;
}

// Those that this rank writes, wide dtypes first, so that each tensor's bytes are aligned.
std::vector<const StateEntry*> EntriesToWrite(std::span<const StateEntry> entries) {
  std::vector<const StateEntry*> to_write;
  for (const StateEntry& entry : entries) {
    if (entry.is_writer) to_write.push_back(&entry);
  }
  std::ranges::stable_sort(to_write, std::ranges::greater(),
                           [](const StateEntry* entry) { return SizeOf(entry->local.dtype()); });
  return to_write;
}

void AppendFromDevice(const TensorView& tensor, std::vector<std::byte>& buffer,
                      SafetensorsWriter& writer, Stream& stream) {
  const auto* const memory = static_cast<const std::byte*>(tensor.raw());
  const int64_t total = tensor.num_bytes();
  for (int64_t begin = 0; begin < total; begin += kHostBufferBytes) {
    const int64_t bytes = std::min(kHostBufferBytes, total - begin);
    buffer.resize(static_cast<size_t>(bytes));
    stream.device().CopyToHost(TensorView(buffer.data(), DType::kU8, Shape{bytes}),
                               ConstTensorView(memory + begin, DType::kU8, Shape{bytes}), stream);
    stream.Synchronize(stream.device().wait_limit());
    writer.Append(buffer);
  }
}

}  // namespace

std::string ShardName(int rank) {
  const std::string digits = StrCat(rank);
  return StrCat("shard-", std::string(6 - std::min<size_t>(6, digits.size()), '0'), digits,
                ".safetensors");
}

std::string NameInShard(const std::string& tensor, const Shape& shape, const Box& box) {
  return box.extent == shape ? tensor : StrCat(tensor, box.ToString());
}

Manifest WriteShard(const std::filesystem::path& folder, int rank,
                    std::span<const StateEntry> entries, Stream& stream) {
  const std::vector<const StateEntry*> to_write = EntriesToWrite(entries);
  if (to_write.empty()) return {};

  ChunkChecksums checksums;
  SafetensorsContent content;
  content.metadata = {{"format", "cadmus"}};
  content.on_bytes = [&](std::span<const std::byte> bytes) { checksums.Append(bytes); };
  for (const StateEntry* entry : to_write) {
    content.tensors.push_back({.name = NameInShard(entry->name, entry->global_shape, BoxOf(*entry)),
                               .dtype = entry->local.dtype(),
                               .shape = entry->local.shape()});
  }
  SafetensorsWriter writer(folder / ShardName(rank), Kind::kCheckpoint, std::move(content));
  std::vector<std::byte> buffer;
  for (const StateEntry* entry : to_write) AppendFromDevice(entry->local, buffer, writer, stream);
  writer.Commit();

  Manifest manifest;
  for (size_t i = 0; i < to_write.size(); ++i) {
    const StateEntry& entry = *to_write[i];
    manifest.tensors.push_back(
        {.name = entry.name,
         .dtype = entry.local.dtype(),
         .shape = entry.global_shape,
         .boxes = {{.box = BoxOf(entry), .file = 0, .byte_offset = writer.offsets()[i]}}});
  }
  manifest.files.push_back(
      {.name = ShardName(rank), .bytes = writer.num_bytes(), .chunk_crc32c = checksums.crc32c()});
  return manifest;
}

}  // namespace cadmus
