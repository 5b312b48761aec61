// SPDX-License-Identifier: Apache-2.0
// `cadmus ckpt import|export`: models from folders of Hugging Face, and for them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cadmus {

struct CheckpointImportFlags {
  std::string folder, out;
  std::vector<std::string> ignored_fields;
};
int RunCheckpointImport(const CheckpointImportFlags& flags);

struct CheckpointExportFlags {
  std::string folder, out;
  std::string dtype = "f32";
  std::string max_shard_size = "5GB";
};
int RunCheckpointExport(const CheckpointExportFlags& flags);

// "5GB" is 5·10^9, "5GiB" 5·2^30, "5" is 5. Throws kConfig for anything else, and for 0.
int64_t BytesFromText(const std::string& text);

}  // namespace cadmus
