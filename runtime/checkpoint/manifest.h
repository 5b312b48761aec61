// SPDX-License-Identifier: Apache-2.0
// Manifest: what a checkpoint says of itself: the run, and which box of which tensor lies at which
// byte of which file. It is written last; a folder without a valid one is torn.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/dtype.h"
#include "kernels/base/shape.h"
#include "runtime/checkpoint/box.h"

namespace cadmus {

// What a run needs besides its tensors to go on.
struct CheckpointInfo {
  std::string run_name;
  int64_t completed_steps = 0;
  int64_t data_cursor = 0;  // the next global sample
  uint64_t seed = 0;
  std::string tokenizer_hash;  // ContentHash of its file
  std::string config_text;     // the resolved config
  std::string layout;          // of the world that saved it, in words
  std::string created;         // "2026-11-22T15:04:05Z"; FillOrigin
  std::string host;            // of rank 0; FillOrigin
};

// Says that the checkpoint is made now and here.
void FillOrigin(CheckpointInfo& info);

// A box of a tensor, contiguous in a file.
struct StoredBox {
  Box box;
  int file = 0;             // index in Manifest::files
  int64_t byte_offset = 0;  // from the start of the file
};

struct StoredTensor {
  std::string name;
  DType dtype = DType::kNone;
  Shape shape;                   // global
  std::vector<StoredBox> boxes;  // together they hold every element exactly once
};

struct StoredFile {
  std::string name;  // in the checkpoint's folder
  int64_t bytes = 0;
  std::vector<uint32_t> chunk_crc32c;  // of each kChecksumChunkBytes, the last one shorter
};

// The end of a sentence that says what is wrong with one.
inline constexpr std::string_view kUseAnEarlierCheckpoint = "; use an earlier checkpoint";

// What passes through the host at once, between device and file.
inline constexpr int64_t kHostBufferBytes = int64_t{16} << 20;

inline constexpr int64_t kChecksumChunkBytes = int64_t{4} << 20;

struct Manifest {
  CheckpointInfo info;
  std::vector<StoredTensor> tensors;  // by name
  std::vector<StoredFile> files;

  int64_t num_bytes() const;  // of all files
};

inline constexpr char kManifestName[] = "manifest.pb";

// The manifest of a checkpoint's folder. Throws kCheckpoint, naming the file, if it is missing,
// damaged, of a newer format, or contradicts itself. The files that it names are not looked at.
Manifest ReadManifest(const std::filesystem::path& checkpoint);

// Writes the manifest whole or not at all. Throws kCheckpoint if it contradicts itself.
void WriteManifest(const std::filesystem::path& checkpoint, const Manifest& manifest);

// What one rank has written, as bytes for another, and back. Tensors may be there in part only, and
// several times. Throws kCheckpoint, naming `source`, if the bytes are no manifest.
std::string SerializeManifest(const Manifest& manifest);
Manifest ParseManifest(const std::string& bytes, const std::string& source);

}  // namespace cadmus
