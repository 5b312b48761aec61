// SPDX-License-Identifier: Apache-2.0
#include "launch/commands/ckpt.h"

#include <filesystem>
#include <iostream>

#include "kernels/base/error.h"
#include "launch/run/find_checkpoint.h"
#include "launch/run/run_folder.h"
#include "runtime/checkpoint/list_checkpoints.h"
#include "runtime/checkpoint/verify_checkpoint.h"

namespace cadmus {
namespace {

std::filesystem::path RequireFolder(const std::string& folder) {
  if (std::filesystem::is_directory(folder)) return folder;
  throw Error(Kind::kCheckpoint,
              StrCat(folder, " is not a folder; give the folder of a run or of a checkpoint"));
}

}  // namespace

int RunCheckpointList(const CheckpointFlags& flags) {
  const RunFolder run(RequireFolder(flags.folder));
  for (const CheckpointListing& checkpoint : ListCheckpoints(run.checkpoints())) {
    std::cout << checkpoint.path.filename().string() << "  "
              << (checkpoint.complete()
                      ? StrCat(checkpoint.bytes, " bytes  ", checkpoint.num_tensors, " tensors")
                      : StrCat("torn: ", checkpoint.torn))
              << '\n';
  }
  return 0;
}

int RunCheckpointVerify(const CheckpointFlags& flags) {
  const std::filesystem::path checkpoint = FindCheckpoint(flags.folder).checkpoint;
  const VerifyReport report = VerifyCheckpoint(checkpoint);
  if (!report.problems.empty()) {
    std::string problems;
    for (const std::string& problem : report.problems) problems += StrCat("\n  ", problem);
    throw Error(Kind::kCheckpoint, StrCat(checkpoint.string(), " is damaged:", problems,
                                          "\nuse an earlier checkpoint (`cadmus ckpt ls`)"));
  }
  std::cout << checkpoint.string() << ": good, " << report.num_tensors << " tensors in "
            << report.num_files << " files, " << report.bytes << " bytes\n";
  return 0;
}

}  // namespace cadmus
