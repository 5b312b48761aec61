// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/save_checkpoint.h"

#include <fcntl.h>
#include <stdio.h>

#include <cerrno>
#include <map>
#include <system_error>
#include <utility>

#include "kernels/base/file.h"
#include "kernels/base/log.h"
#include "runtime/checkpoint/agree.h"
#include "runtime/checkpoint/list_checkpoints.h"
#include "runtime/checkpoint/shard.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTemporarySuffix = ".tmp";

[[noreturn]] void ThrowFileError(std::string_view what, const fs::path& path,
                                 const std::error_code& code) {
  throw Error(Kind::kCheckpoint,
              StrCat("cannot ", what, " ", path.string(), ": ", code.message(),
                     "; check the free space, the quota and the permissions there, nothing saved "
                     "before is lost"));
}

void RemoveFolder(const fs::path& path) {
  std::error_code code;
  fs::remove_all(path, code);
  if (code) ThrowFileError("remove", path, code);
}

// Makes `temporary` new and empty. Only one save at a time goes on in a run's folder, so what other
// saves have left there unfinished is removed.
void PrepareFolder(const fs::path& folder, const fs::path& temporary) {
  std::error_code code;
  fs::create_directories(folder, code);
  if (code) ThrowFileError("make the folder", folder, code);
  std::vector<fs::path> left_over;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("step-") && name.ends_with(kTemporarySuffix)) {
      left_over.push_back(entry.path());
    }
  }
  if (code) ThrowFileError("list", folder, code);
  for (const fs::path& path : left_over) RemoveFolder(path);
  fs::create_directory(temporary, code);
  if (code) ThrowFileError("make the folder", temporary, code);
}

// One manifest of what all ranks have written.
Manifest Merge(const CheckpointInfo& info, const std::vector<std::string>& parts) {
  Manifest whole;
  whole.info = info;
  std::map<std::string, StoredTensor> tensors;
  for (size_t rank = 0; rank < parts.size(); ++rank) {
    Manifest part = ParseManifest(parts[rank], StrCat("the part of rank ", rank));
    const int first_file = static_cast<int>(whole.files.size());
    for (StoredFile& file : part.files) whole.files.push_back(std::move(file));
    for (StoredTensor& tensor : part.tensors) {
      auto [place, is_new] = tensors.try_emplace(
          tensor.name,
          StoredTensor{.name = tensor.name, .dtype = tensor.dtype, .shape = tensor.shape});
      StoredTensor& known = place->second;
      CADMUS_CHECK(known.dtype == tensor.dtype && known.shape == tensor.shape,
                   StrCat("the ranks disagree on ", tensor.name, ": ", Name(known.dtype), " ",
                          known.shape.ToString(), " and, on rank ", rank, ", ", Name(tensor.dtype),
                          " ", tensor.shape.ToString()));
      for (StoredBox& box : tensor.boxes) {
        box.file += first_file;
        known.boxes.push_back(box);
      }
    }
  }
  for (auto& [name, tensor] : tensors) whole.tensors.push_back(std::move(tensor));
  return whole;
}

void Rename(const fs::path& from, const fs::path& to) {
  std::error_code code;
  fs::rename(from, to, code);
  if (code) ThrowFileError(StrCat("rename ", from.string(), " to"), to, code);
}

// Gives the complete folder its name. An older checkpoint of that name is replaced at one moment,
// where the file system can do so, and then removed.
void Publish(const fs::path& temporary, const fs::path& checkpoint) {
  fs::path replaced;
  if (!fs::exists(checkpoint)) {
    Rename(temporary, checkpoint);
  } else if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, checkpoint.c_str(),
                         RENAME_EXCHANGE) == 0) {
    replaced = temporary;
  } else {
    replaced = checkpoint.string() + ".replaced" + std::string(kTemporarySuffix);
    Rename(checkpoint, replaced);
    Rename(temporary, checkpoint);
  }
  SyncFolder(checkpoint.parent_path(), Kind::kCheckpoint);
  // The new checkpoint is in place; should the old one resist, the next save tries again.
  std::error_code code;
  if (!replaced.empty()) fs::remove_all(replaced, code);
  if (code) LogWarning(StrCat("cannot remove ", replaced.string(), ": ", code.message()));
}

}  // namespace

fs::path SaveCheckpoint(const SaveRequest& request) {
  CADMUS_CHECK(request.info.completed_steps >= 0, StrCat(request.info.completed_steps, " steps"));
  const fs::path checkpoint = request.folder / CheckpointName(request.info.completed_steps);
  const fs::path temporary = checkpoint.string() + std::string(kTemporarySuffix);
  const bool is_first = request.world.rank() == 0;
  const auto agree = [&](const std::function<std::string()>& work) {
    return Agree(work, request.world, request.stream);
  };
  agree([&] {
    if (is_first) PrepareFolder(request.folder, temporary);
    return std::string();
  });
  try {
    const std::vector<std::string> parts = agree([&] {
      return SerializeManifest(
          WriteShard(temporary, request.world.rank(), request.entries, request.stream));
    });
    agree([&] {
      if (is_first) {
        Manifest manifest = Merge(request.info, parts);
        FillOrigin(manifest.info);
        WriteManifest(temporary, manifest);
        Publish(temporary, checkpoint);
      }
      return std::string();
    });
  } catch (const Error& error) {
    // After a failure of the communication others may still write there; the next save clears it.
    if (error.kind() == Kind::kCommunication) throw;
    try {
      // All ranks stay until the folder is gone: one that leaves with an error may end the others.
      agree([&] {
        if (is_first) RemoveFolder(temporary);
        return std::string();
      });
    } catch (const Error& second) {
      if (second.kind() != Kind::kCommunication) LogWarning(second.message());
    }
    throw;
  }
  return checkpoint;
}

}  // namespace cadmus
