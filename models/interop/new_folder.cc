// SPDX-License-Identifier: Apache-2.0
#include "models/interop/new_folder.h"

#include <fcntl.h>
#include <stdio.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/base/log.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void ThrowExists(const fs::path& path) {
  throw Error(Kind::kConfig,
              StrCat(path.string(), " exists; name another folder, or remove that one"));
}

// Without a slash at its end, which would make the unfinished one lie inside.
fs::path Trimmed(const fs::path& path) {
  const fs::path normal = path.lexically_normal();
  return normal.has_filename() ? normal : normal.parent_path();
}

}  // namespace

NewFolder::NewFolder(fs::path path)
    : path_(Trimmed(path)), unfinished_(path_.string() + ".unfinished") {
  if (fs::exists(fs::symlink_status(path_))) ThrowExists(path_);
  std::error_code code;
  if (path_.has_parent_path()) fs::create_directories(path_.parent_path(), code);
  const bool is_new = !code && fs::create_directory(unfinished_, code);
  if (code) {
    throw Error(Kind::kCheckpoint,
                StrCat("cannot make ", unfinished_.string(), ": ", code.message(),
                       "; check the permissions and the free space there"));
  }
  if (!is_new) {
    throw Error(Kind::kConfig,
                StrCat(unfinished_.string(),
                       " exists: the same command is at work, or was interrupted; in the latter "
                       "case remove that folder"));
  }
}

NewFolder::~NewFolder() {
  if (is_committed_) return;
  std::error_code code;
  fs::remove_all(unfinished_, code);
  if (code) LogWarning(StrCat("cannot remove ", unfinished_.string(), ": ", code.message()));
}

void NewFolder::Commit() {
  SyncFolder(unfinished_, Kind::kCheckpoint);
  if (::renameat2(AT_FDCWD, unfinished_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) != 0) {
    const int error = errno;
    if (error == EEXIST) ThrowExists(path_);
    // A file system that lacks the flag: an empty folder of this name would be replaced.
    std::error_code code;
    if (error == EINVAL) fs::rename(unfinished_, path_, code);
    if (error != EINVAL || code) {
      throw Error(Kind::kCheckpoint,
                  StrCat("cannot rename ", unfinished_.string(), " to ", path_.string(), ": ",
                         std::generic_category().message(error)));
    }
  }
  is_committed_ = true;
  SyncFolder(path_.has_parent_path() ? path_.parent_path() : ".", Kind::kCheckpoint);
}

}  // namespace cadmus
