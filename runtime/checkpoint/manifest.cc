// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/manifest.h"

#include <unistd.h>

#include <chrono>
#include <ctime>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "kernels/base/checksum.h"
#include "kernels/base/file.h"
#include "runtime/checkpoint/manifest.pb.h"

namespace cadmus {
namespace {

constexpr int kFormatVersion = 1;

uint32_t ChecksumOf(const std::string& bytes) { return Crc32c(std::as_bytes(std::span(bytes))); }

[[noreturn]] void Fail(const std::string& source, std::string_view what) {
  throw Error(Kind::kCheckpoint, StrCat(source, ": ", what, kUseAnEarlierCheckpoint));
}

template <class Dims>
Shape ToShape(const Dims& dims, const std::string& source) {
  if (dims.size() > Shape::kMaxDims) Fail(source, StrCat("a shape of ", dims.size(), " dims"));
  return Shape(std::span<const int64_t>(dims.data(), static_cast<size_t>(dims.size())));
}

void CheckFile(const StoredFile& file, const std::string& source) {
  // A name, not a path: a manifest must not lead out of its folder.
  if (file.name.empty() || file.name.find('/') != std::string::npos || file.name == "..") {
    Fail(source, StrCat("\"", file.name, "\" is not the name of a file"));
  }
  const int64_t chunks = file.bytes / kChecksumChunkBytes + (file.bytes % kChecksumChunkBytes > 0);
  if (file.bytes < 0 || chunks != static_cast<int64_t>(file.chunk_crc32c.size())) {
    Fail(source, StrCat("file ", file.name, ": ", file.chunk_crc32c.size(),
                        " checksums do not fit a size of ", file.bytes, " bytes"));
  }
}

void CheckTensor(const StoredTensor& tensor, const std::vector<StoredFile>& files,
                 const std::string& source) {
  const int64_t element_bytes = SizeOf(tensor.dtype);
  if (element_bytes == 0) Fail(source, StrCat("tensor ", tensor.name, " has an unknown dtype"));
  for (const StoredBox& stored : tensor.boxes) {
    const auto fail = [&](std::string_view what) {
      Fail(source, StrCat("tensor ", tensor.name, ", box ", stored.box.ToString(), " ", what));
    };
    if (!IsBoxOf(stored.box, tensor.shape, element_bytes)) {
      fail(StrCat("is not a part of shape ", tensor.shape.ToString()));
    }
    if (stored.file < 0 || static_cast<size_t>(stored.file) >= files.size()) {
      fail(StrCat("is in file number ", stored.file, " of ", files.size()));
    }
    const StoredFile& file = files[static_cast<size_t>(stored.file)];
    const int64_t bytes = stored.box.num_elements() * element_bytes;
    if (stored.byte_offset < 0 || stored.byte_offset > file.bytes ||
        bytes > file.bytes - stored.byte_offset) {
      fail(StrCat("does not fit into file ", file.name));
    }
  }
}

void CheckComplete(const Manifest& manifest, const std::string& source) {
  std::unordered_set<std::string_view> names;
  for (const StoredTensor& tensor : manifest.tensors) {
    if (!names.insert(tensor.name).second) {
      Fail(source, StrCat("tensor ", tensor.name, " is there twice"));
    }
    std::vector<Box> boxes;
    for (const StoredBox& stored : tensor.boxes) boxes.push_back(stored.box);
    if (const std::string problem = CoverageProblem(tensor.shape, boxes); !problem.empty()) {
      Fail(source, StrCat("tensor ", tensor.name, ": ", problem));
    }
  }
}

std::string UtcNow() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts = {};
  ::gmtime_r(&now, &parts);
  char text[32];
  return std::string(text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts));
}

std::string HostName() {
  char name[256] = {};
  return ::gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
}

}  // namespace

void FillOrigin(CheckpointInfo& info) {
  info.created = UtcNow();
  info.host = HostName();
}

int64_t Manifest::num_bytes() const {
  int64_t bytes = 0;
  for (const StoredFile& file : files) bytes += file.bytes;
  return bytes;
}

std::string SerializeManifest(const Manifest& manifest) {
  stored::Manifest out;
  out.set_format_version(kFormatVersion);
  out.set_run_name(manifest.info.run_name);
  out.set_completed_steps(manifest.info.completed_steps);
  out.set_data_cursor(manifest.info.data_cursor);
  out.set_seed(manifest.info.seed);
  out.set_tokenizer_hash(manifest.info.tokenizer_hash);
  out.set_config_text(manifest.info.config_text);
  out.set_layout(manifest.info.layout);
  out.set_created(manifest.info.created);
  out.set_host(manifest.info.host);
  for (const StoredTensor& tensor : manifest.tensors) {
    stored::Tensor& t = *out.add_tensors();
    t.set_name(tensor.name);
    t.set_dtype(std::string(Name(tensor.dtype)));
    for (const int64_t dim : tensor.shape.dims()) t.add_shape(dim);
    for (const StoredBox& box : tensor.boxes) {
      stored::Box& b = *t.add_boxes();
      for (const int64_t dim : box.box.offset.dims()) b.add_offset(dim);
      for (const int64_t dim : box.box.extent.dims()) b.add_extent(dim);
      b.set_file(box.file);
      b.set_byte_offset(box.byte_offset);
    }
  }
  for (const StoredFile& file : manifest.files) {
    stored::File& f = *out.add_files();
    f.set_name(file.name);
    f.set_bytes(file.bytes);
    for (const uint32_t crc : file.chunk_crc32c) f.add_chunk_crc32c(crc);
  }
  return out.SerializeAsString();
}

Manifest ParseManifest(const std::string& bytes, const std::string& source) {
  stored::Manifest in;
  if (!in.ParseFromString(bytes)) Fail(source, "not a manifest");
  if (in.format_version() != kFormatVersion) {
    throw Error(Kind::kCheckpoint,
                StrCat(source, ": format ", in.format_version(), ", but this version reads format ",
                       kFormatVersion, "; use the version of cadmus that wrote it"));
  }
  Manifest manifest;
  manifest.info = {.run_name = in.run_name(),
                   .completed_steps = in.completed_steps(),
                   .data_cursor = in.data_cursor(),
                   .seed = in.seed(),
                   .tokenizer_hash = in.tokenizer_hash(),
                   .config_text = in.config_text(),
                   .layout = in.layout(),
                   .created = in.created(),
                   .host = in.host()};
  for (const stored::File& f : in.files()) {
    manifest.files.push_back({.name = f.name(),
                              .bytes = f.bytes(),
                              .chunk_crc32c = {f.chunk_crc32c().begin(), f.chunk_crc32c().end()}});
    CheckFile(manifest.files.back(), source);
  }
  for (const stored::Tensor& t : in.tensors()) {
    StoredTensor tensor{.name = t.name(),
                        .dtype = DTypeFromName(t.dtype()).value_or(DType::kNone),
                        .shape = ToShape(t.shape(), source)};
    for (const stored::Box& b : t.boxes()) {
      tensor.boxes.push_back(
          {.box = {.offset = ToShape(b.offset(), source), .extent = ToShape(b.extent(), source)},
           .file = b.file(),
           .byte_offset = b.byte_offset()});
    }
    CheckTensor(tensor, manifest.files, source);
    manifest.tensors.push_back(std::move(tensor));
  }
  return manifest;
}

Manifest ReadManifest(const std::filesystem::path& checkpoint) {
  const std::filesystem::path path = checkpoint / kManifestName;
  std::error_code code;  // what cannot be looked at is named when it is read
  if (!std::filesystem::exists(path, code) && !code) {
    throw Error(Kind::kCheckpoint, StrCat(checkpoint.string(), ": no checkpoint, or a torn one: ",
                                          kManifestName, " is missing", kUseAnEarlierCheckpoint));
  }
  const std::string source = path.string();
  stored::ManifestFile file;
  if (!file.ParseFromString(ReadFile(path, Kind::kCheckpoint)) || !file.has_crc32c() ||
      !file.has_manifest()) {
    Fail(source, "not a manifest");
  }
  if (file.crc32c() != ChecksumOf(file.manifest())) {
    Fail(source, "it is damaged: its checksum is wrong");
  }
  Manifest manifest = ParseManifest(file.manifest(), source);
  CheckComplete(manifest, source);
  return manifest;
}

void WriteManifest(const std::filesystem::path& checkpoint, const Manifest& manifest) {
  const std::filesystem::path path = checkpoint / kManifestName;
  CheckComplete(manifest, path.string());
  stored::ManifestFile file;
  file.set_manifest(SerializeManifest(manifest));
  file.set_crc32c(ChecksumOf(file.manifest()));
  ReplaceFile(path, file.SerializeAsString(), Kind::kCheckpoint);
}

}  // namespace cadmus
