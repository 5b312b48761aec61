// SPDX-License-Identifier: Apache-2.0
// NewFolder: a folder that is there complete or not at all: it is written beside its place, and
// gets its name last.
//
//   NewFolder folder("out");
//   … files into folder.unfinished() …
//   folder.Commit();
#pragma once

#include <filesystem>

namespace cadmus {

class NewFolder {
 public:
  // Throws kConfig if `path` exists, or where an unfinished folder stands in its way.
  explicit NewFolder(std::filesystem::path path);
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;
  // Removes what was not committed.
  ~NewFolder();

  // "out.unfinished"
  const std::filesystem::path& unfinished() const { return unfinished_; }
  // Throws kConfig if somebody else has made `path` meanwhile, kCheckpoint if it cannot be made.
  void Commit();

 private:
  std::filesystem::path path_, unfinished_;
  bool is_committed_ = false;
};

}  // namespace cadmus
