// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/load_checkpoint.h"

#include <cstring>
#include <ranges>
#include <string>
#include <vector>

#include "kernels/base/bfloat16.h"
#include "kernels/base/log.h"
#include "kernels/device/device.h"
#include "runtime/checkpoint/list_checkpoints.h"
#include "runtime/checkpoint/tensor_reader.h"

namespace cadmus {
namespace {

bool IsRounded(const StateEntry& entry, const StoredTensor& tensor) {
  return tensor.dtype == DType::kF32 && entry.local.dtype() == DType::kBF16;
}

std::vector<BFloat16> RoundedToBf16(std::span<const std::byte> elements) {
  std::vector<BFloat16> rounded(elements.size() / sizeof(float));
  for (size_t i = 0; i < rounded.size(); ++i) {
    float wide = 0;
    std::memcpy(&wide, elements.data() + i * sizeof(float), sizeof(float));
    rounded[i] = BFloat16(wide);
  }
  return rounded;
}

// What keeps `entry` from being filled; empty if nothing does.
std::string Mismatch(const StateEntry& entry, const TensorReader& reader) {
  const StoredTensor* found = reader.Find(entry.name);
  if (found == nullptr) return "is not in the checkpoint";
  const StoredTensor& tensor = *found;
  if (tensor.shape != entry.global_shape) {
    return StrCat("has shape ", tensor.shape.ToString(), " in the checkpoint, but ",
                  entry.global_shape.ToString(), " in this run");
  }
  if (tensor.dtype != entry.local.dtype() && !IsRounded(entry, tensor)) {
    return StrCat("is ", Name(tensor.dtype), " in the checkpoint, but ", Name(entry.local.dtype()),
                  " in this run");
  }
  return "";
}

void CheckEntries(const std::filesystem::path& checkpoint, std::span<const StateEntry> entries,
                  const TensorReader& reader) {
  std::string problems;
  int64_t count = 0;
  for (const StateEntry& entry : entries) {
    const std::string problem = Mismatch(entry, reader);
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

// Fills one entry piece by piece.
void LoadEntry(const StateEntry& entry, const StoredTensor& tensor, TensorReader& reader,
               Stream& stream) {
  CADMUS_CHECK(entry.local.IsContiguous(), entry.name);
  int64_t done = 0;
  reader.Read(
      tensor, {.offset = entry.offset, .extent = entry.local.shape()},
      [&](std::span<const std::byte> piece) {
        std::vector<BFloat16> rounded;
        if (IsRounded(entry, tensor)) {
          rounded = RoundedToBf16(piece);
          piece = std::as_bytes(std::span(rounded));
        }
        const Shape bytes = {std::ssize(piece)};
        stream.device().CopyToDevice(
            TensorView(static_cast<std::byte*>(entry.local.raw()) + done, DType::kU8, bytes),
            ConstTensorView(piece.data(), DType::kU8, bytes), stream);
        stream.Synchronize(stream.device().wait_limit());
        done += std::ssize(piece);
      });
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

int64_t LoadCheckpoint(const std::filesystem::path& checkpoint, std::span<const StateEntry> entries,
                       Stream& stream) {
  TensorReader reader(checkpoint);
  CheckEntries(checkpoint, entries, reader);
  for (const StateEntry& entry : entries) {
    LoadEntry(entry, *reader.Find(entry.name), reader, stream);
  }
  return reader.bytes_read();
}

}  // namespace cadmus
