// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/shard.h"

#include <algorithm>
#include <utility>

#include "kernels/device/device.h"

namespace cadmus {
namespace {

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

void AppendFromDevice(const TensorView& tensor, std::vector<std::byte>& buffer, ShardWriter& writer,
                      Stream& stream) {
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

ShardWriter::ShardWriter(const std::filesystem::path& folder, int rank, std::vector<ShardBox> boxes)
    : rank_(rank),
      boxes_(std::move(boxes)),
      writer_(folder / ShardName(rank), Kind::kCheckpoint, ContentOf(boxes_, checksums_)) {}

SafetensorsContent ShardWriter::ContentOf(const std::vector<ShardBox>& boxes,
                                          ChunkChecksums& checksums) {
  SafetensorsContent content;
  content.metadata = {{"format", "cadmus"}};
  content.on_bytes = [&checksums](std::span<const std::byte> bytes) { checksums.Append(bytes); };
  for (const ShardBox& box : boxes) {
    content.tensors.push_back({.name = NameInShard(box.tensor, box.shape, box.box),
                               .dtype = box.dtype,
                               .shape = box.box.extent});
  }
  return content;
}

Manifest ShardWriter::Finish() {
  writer_.Commit();
  Manifest manifest;
  for (size_t i = 0; i < boxes_.size(); ++i) {
    const ShardBox& box = boxes_[i];
    manifest.tensors.push_back(
        {.name = box.tensor,
         .dtype = box.dtype,
         .shape = box.shape,
         .boxes = {{.box = box.box, .file = 0, .byte_offset = writer_.offsets()[i]}}});
  }
  manifest.files.push_back({.name = ShardName(rank_),
                            .bytes = writer_.num_bytes(),
                            .chunk_crc32c = checksums_.crc32c()});
  return manifest;
}

Manifest WriteShard(const std::filesystem::path& folder, int rank,
                    std::span<const StateEntry> entries, Stream& stream) {
  const std::vector<const StateEntry*> to_write = EntriesToWrite(entries);
  if (to_write.empty()) return {};
  std::vector<ShardBox> boxes;
  for (const StateEntry* entry : to_write) {
    boxes.push_back({.tensor = entry->name,
                     .dtype = entry->local.dtype(),
                     .shape = entry->global_shape,
                     .box = BoxOf(*entry)});
  }
  ShardWriter writer(folder, rank, std::move(boxes));
  std::vector<std::byte> buffer;
  for (const StateEntry* entry : to_write) AppendFromDevice(entry->local, buffer, writer, stream);
  return writer.Finish();
}

}  // namespace cadmus
