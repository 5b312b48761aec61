// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/stored_tensors.h"

#include <map>

#include "kernels/base/error.h"
#include "runtime/checkpoint/chunk_reader.h"

namespace cadmus {
namespace {

struct FileFaults {
  std::string whole;                         // why it cannot be read at all
  std::map<int64_t, std::string> of_chunks;  // only those that have one
};

template <class Check>
std::string FaultIn(const Check& check) {
  try {
    check();
    return "";
  } catch (const Error& error) {
    return error.message();
  }
}

FileFaults FaultsOf(int file, const Manifest& manifest, ChunkReader& reader, LookAt what) {
  FileFaults faults = {.whole = FaultIn([&] { reader.CheckSize(file); })};
  if (!faults.whole.empty() || what == LookAt::kSizes) return faults;
  const size_t num_chunks = manifest.files[static_cast<size_t>(file)].chunk_crc32c.size();
  for (int64_t chunk = 0; chunk < static_cast<int64_t>(num_chunks); ++chunk) {
    std::string fault = FaultIn([&] { reader.VerifyChunk(file, chunk); });
    if (!fault.empty()) faults.of_chunks.emplace(chunk, std::move(fault));
  }
  return faults;
}

std::string FaultOf(const StoredTensor& tensor, const std::vector<FileFaults>& files) {
  for (const StoredBox& stored : tensor.boxes) {
    const int64_t bytes = stored.box.num_elements() * SizeOf(tensor.dtype);
    if (bytes == 0) continue;
    const FileFaults& file = files[static_cast<size_t>(stored.file)];
    if (!file.whole.empty()) return file.whole;
    const auto fault = file.of_chunks.lower_bound(stored.byte_offset / kChecksumChunkBytes);
    if (fault != file.of_chunks.end() &&
        fault->first <= (stored.byte_offset + bytes - 1) / kChecksumChunkBytes) {
      return fault->second;
    }
  }
  return "";
}

}  // namespace

std::vector<std::string> FindUnreadable(const std::filesystem::path& checkpoint,
                                        const Manifest& manifest, LookAt what) {
  ChunkReader reader(checkpoint, manifest);
  std::vector<FileFaults> files;
  for (int file = 0; file < static_cast<int>(manifest.files.size()); ++file) {
    files.push_back(FaultsOf(file, manifest, reader, what));
  }
  std::vector<std::string> faults;
  for (const StoredTensor& tensor : manifest.tensors) faults.push_back(FaultOf(tensor, files));
  return faults;
}

}  // namespace cadmus
