// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/load_checkpoint.h"

#include <algorithm>
#include <ranges>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kernels/base/log.h"
#include "kernels/device/device.h"
#include "runtime/checkpoint/chunk_reader.h"
#include "runtime/checkpoint/list_checkpoints.h"

namespace cadmus {
namespace {

constexpr int64_t kHostBufferBytes = int64_t{16} << 20;

using TensorsByName = std::unordered_map<std::string_view, const StoredTensor*>;

// What keeps `entry` from being filled; empty if nothing does.
std::string Mismatch(const StateEntry& entry, const TensorsByName& tensors) {
  const auto found = tensors.find(entry.name);
  if (found == tensors.end()) return "is not in the checkpoint";
  const StoredTensor& tensor = *found->second;
  if (tensor.shape != entry.global_shape) {
    return StrCat("has shape ", tensor.shape.ToString(), " in the checkpoint, but ",
                  entry.global_shape.ToString(), " in this run");
  }
  if (tensor.dtype != entry.local.dtype()) {
    return StrCat("is ", Name(tensor.dtype), " in the checkpoint, but ", Name(entry.local.dtype()),
                  " in this run");
  }
  return "";
}

void CheckEntries(const std::filesystem::path& checkpoint, std::span<const StateEntry> entries,
                  const TensorsByName& tensors) {
  std::string problems;
  int64_t count = 0;
  for (const StateEntry& entry : entries) {
    const std::string problem = Mismatch(entry, tensors);
    if (problem.empty()) continue;
    constexpr int64_t kNamed = 5;
    if (count++ < kNamed) problems += StrCat(count == 1 ? "" : "; ", entry.name, " ", problem);
  }
  if (count == 0) return;
  throw Error(Kind::kCheckpoint,
              StrCat(checkpoint.string(), " does not fit this run (", count, " of ", entries.size(),
                     " tensors): ", problems,
                     "; use the model and optimizer configuration that is stored with it"));
}

// Fills one entry piece by piece: a piece is a range of its elements that fits into `buffer`.
void LoadEntry(const StateEntry& entry, const StoredTensor& tensor, ChunkReader& reader,
               std::vector<std::byte>& buffer, Stream& stream) {
  const Box wanted{.offset = entry.offset, .extent = entry.local.shape()};
  const int64_t element_bytes = SizeOf(tensor.dtype);
  CADMUS_CHECK(IsBoxOf(wanted, tensor.shape, element_bytes) && entry.local.IsContiguous(),
               StrCat(entry.name, ": ", wanted.ToString(), " of ", tensor.shape.ToString()));
  struct Source {
    const StoredBox* stored;
    BoxRuns runs;
  };
  std::vector<Source> sources;
  for (const StoredBox& stored : tensor.boxes) {
    BoxRuns runs(stored.box, wanted);
    if (!runs.done()) sources.push_back({.stored = &stored, .runs = runs});
  }
  const int64_t total = wanted.num_elements();
  const int64_t piece_elements = kHostBufferBytes / element_bytes;
  for (int64_t begin = 0; begin < total; begin += piece_elements) {
    const int64_t end = std::min(begin + piece_elements, total);
    buffer.resize(static_cast<size_t>((end - begin) * element_bytes));
    int64_t filled = 0;
    for (auto& [stored, runs] : sources) {
      while (!runs.done() && runs.destination_element() < end) {
        const int64_t count = std::min(runs.num_elements(), end - runs.destination_element());
        reader.Read(stored->file, stored->byte_offset + runs.source_element() * element_bytes,
                    std::span(buffer).subspan(
                        static_cast<size_t>((runs.destination_element() - begin) * element_bytes),
                        static_cast<size_t>(count * element_bytes)));
        filled += count;
        runs.Advance(count);
      }
    }
    CADMUS_CHECK(filled == end - begin, StrCat(entry.name, ": ", filled, " of ", end - begin));
    const Shape bytes = {(end - begin) * element_bytes};
    stream.device().CopyToDevice(
        TensorView(static_cast<std::byte*>(entry.local.raw()) + begin * element_bytes, DType::kU8,
                   bytes),
        ConstTensorView(buffer.data(), DType::kU8, bytes), stream);
    stream.Synchronize(stream.device().wait_limit());
  }
}

}  // namespace

std::optional<std::filesystem::path> FindLatestCheckpoint(const std::filesystem::path& folder) {
  for (const auto& path : CheckpointFolders(folder) | std::views::reverse) {
    const CheckpointListing listing = InspectCheckpoint(path);
    if (listing.complete()) return path;
    LogWarning(StrCat("skipped a torn checkpoint: ", listing.torn));
  }
  return std::nullopt;
}

void LoadCheckpoint(const std::filesystem::path& checkpoint, std::span<const StateEntry> entries,
                    Stream& stream) {
  const Manifest manifest = ReadManifest(checkpoint);
  TensorsByName tensors;
  for (const StoredTensor& tensor : manifest.tensors) tensors.emplace(tensor.name, &tensor);
  CheckEntries(checkpoint, entries, tensors);
  ChunkReader reader(checkpoint, manifest);
  std::vector<std::byte> buffer;
  for (const StateEntry& entry : entries) {
    LoadEntry(entry, *tensors.at(entry.name), reader, buffer, stream);
  }
}

}  // namespace cadmus
