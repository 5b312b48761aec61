// SPDX-License-Identifier: Apache-2.0
#include "launch/run/find_checkpoint.h"

#include "kernels/base/error.h"
#include "launch/run/run_folder.h"
#include "runtime/checkpoint/load_checkpoint.h"

namespace cadmus {

FoundCheckpoint FindCheckpoint(const std::filesystem::path& path) {
  const RunFolder run(path);
  if (std::filesystem::is_directory(run.checkpoints())) {
    const auto latest = FindLatestCheckpoint(run.checkpoints());
    if (!latest) {
      throw Error(Kind::kCheckpoint,
                  StrCat(run.checkpoints().string(), " holds no complete checkpoint; train first"));
    }
    return {*latest, run.tokenizer()};
  }
  if (!std::filesystem::is_directory(path)) {
    throw Error(
        Kind::kCheckpoint,
        StrCat(path.string(), " is not a folder; give the folder of a run or of a checkpoint"));
  }
  return {path, RunFolder(std::filesystem::absolute(path).parent_path().parent_path()).tokenizer()};
}

}  // namespace cadmus
