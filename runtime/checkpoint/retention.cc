// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/retention.h"

#include <exception>
#include <ranges>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/base/log.h"
#include "runtime/checkpoint/checkpoint_config.pb.h"
#include "runtime/checkpoint/list_checkpoints.h"
#include "runtime/checkpoint/manifest.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;

// The manifest goes first, and for good: what remains after a crash is seen to be no checkpoint.
bool Remove(const fs::path& checkpoint) {
  try {
    fs::remove(checkpoint / kManifestName);
    SyncFolder(checkpoint, Kind::kCheckpoint);
    fs::remove_all(checkpoint);
    return true;
  } catch (const std::exception& error) {
    LogWarning(StrCat("cannot remove ", checkpoint.string(), ": ", error.what()));
    return false;
  }
}

}  // namespace

RetentionPolicy MakeRetentionPolicy(const CheckpointConfig& config) {
  if (config.keep_last() < 1) {
    throw Error(Kind::kConfig,
                StrCat("checkpoint.keep_last is ", config.keep_last(), "; it must be at least 1"));
  }
  if (config.keep_every() < 0) {
    throw Error(Kind::kConfig, StrCat("checkpoint.keep_every is ", config.keep_every(),
                                      "; it must be a number of steps, or 0"));
  }
  return {.keep_last = config.keep_last(), .keep_every = config.keep_every()};
}

std::vector<std::string> ApplyRetention(const fs::path& folder, const RetentionPolicy& policy) {
  CADMUS_CHECK(policy.keep_last >= 1, StrCat("keep_last = ", policy.keep_last));
  std::vector<fs::path> to_remove;
  int num_complete = 0;  // of higher steps
  for (const CheckpointListing& listing : ListCheckpoints(folder) | std::views::reverse) {
    if (listing.complete()) {
      ++num_complete;
      const bool is_kept_step =
          policy.keep_every > 0 && listing.completed_steps % policy.keep_every == 0;
      if (num_complete > policy.keep_last && !is_kept_step) to_remove.push_back(listing.path);
    } else if (num_complete > 0 && !fs::exists(listing.path / kManifestName)) {
      // Only an interrupted removal leaves this. What is damaged is left for people to look at.
      to_remove.push_back(listing.path);
    }
  }
  std::vector<std::string> removed;
  for (const fs::path& path : to_remove | std::views::reverse) {  // oldest first
    if (Remove(path)) removed.push_back(path.filename().string());
  }
  return removed;
}

}  // namespace cadmus
