// SPDX-License-Identifier: Apache-2.0
// RunFolder: where a run keeps what; nothing of a run is written elsewhere.
#pragma once

#include <filesystem>
#include <string>

namespace cadmus {

class RunFolder {
 public:
  explicit RunFolder(std::filesystem::path root) : root_(std::move(root)) {}

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path config() const { return root_ / "config.textproto"; }
  std::filesystem::path tokenizer() const { return root_ / "tokenizer.json"; }
  std::filesystem::path metrics() const { return root_ / "metrics.jsonl"; }
  std::filesystem::path checkpoints() const { return root_ / "checkpoints"; }
  // Small files of the published model that the run came from.
  std::filesystem::path published() const { return root_ / "published"; }
  // "logs/rank-000003.log"
  std::filesystem::path log(int rank) const;

  // Makes the folders. Throws kConfig where that fails.
  void Create() const;

 private:
  std::filesystem::path root_;
};

}  // namespace cadmus
