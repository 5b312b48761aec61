// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "kernels/base/log.h"

namespace cadmus {
namespace {

[[noreturn]] void ThrowSystemError(Kind kind, std::string_view what,
                                   const std::filesystem::path& path, int code) {
  std::string_view remedy;
  if (code == ENOSPC || code == EDQUOT)
    remedy = "; free space or raise the quota there, nothing saved before is lost";
  if (code == ENOENT) remedy = "; check the path";
  if (code == EACCES || code == EPERM || code == EROFS) remedy = "; check the permissions";
  throw Error(kind, StrCat("cannot ", what, " ", path.string(), ": ", std::strerror(code), remedy));
}

}  // namespace

void FileDescriptorTraits::Close(int fd) noexcept {
  if (::close(fd) != 0) Log(LogLevel::kWarning, StrCat("close failed: ", std::strerror(errno)));
}

FileDescriptor OpenForReading(const std::filesystem::path& path, Kind kind) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) ThrowSystemError(kind, "open", path, errno);
  return file;
}

std::string ReadFile(const std::filesystem::path& path, Kind kind) {
  FileDescriptor file = OpenForReading(path, kind);
  std::string content;
  char buffer[1 << 16];
  while (true) {
    const ssize_t n = ::read(file.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) ThrowSystemError(kind, "read", path, errno);
    if (n == 0) return content;
    content.append(buffer, static_cast<size_t>(n));
  }
}

MappedFile::MappedFile(const std::filesystem::path& path, Kind kind) : path_(path) {
  FileDescriptor file = OpenForReading(path, kind);
  struct stat info = {};
  if (::fstat(file.get(), &info) != 0) ThrowSystemError(kind, "stat", path, errno);
  if (!S_ISREG(info.st_mode)) throw Error(kind, StrCat(path.string(), " is not a regular file"));
  size_ = static_cast<size_t>(info.st_size);
  if (size_ == 0) return;
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) ThrowSystemError(kind, "map", path, errno);
  data_ = static_cast<const std::byte*>(data);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

AtomicFileWriter::AtomicFileWriter(std::filesystem::path path, Kind kind)
    : path_(std::move(path)), temporary_(path_.string() + ".tmp"), kind_(kind) {
  file_ =
      FileDescriptor(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file_) ThrowSystemError(kind_, "create", temporary_, errno);
}

AtomicFileWriter::~AtomicFileWriter() {
  if (!file_) return;
  file_.reset();
  ::unlink(temporary_.c_str());
}

void AtomicFileWriter::Append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file_.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) ThrowSystemError(kind_, "write", temporary_, errno);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
}

void AtomicFileWriter::Commit() {
  if (::fsync(file_.get()) != 0) ThrowSystemError(kind_, "flush", temporary_, errno);
  // Quotas of network file systems may report only here.
  if (::close(file_.release()) != 0) {
    const int code = errno;
    ::unlink(temporary_.c_str());
    ThrowSystemError(kind_, "close", temporary_, code);
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int code = errno;
    ::unlink(temporary_.c_str());
    ThrowSystemError(kind_, "rename into place", path_, code);
  }
  SyncFolder(path_.has_parent_path() ? path_.parent_path() : std::filesystem::path("."), kind_);
}

void ReplaceFile(const std::filesystem::path& path, std::string_view content, Kind kind) {
  AtomicFileWriter writer(path, kind);
  writer.Append(content);
  writer.Commit();
}

void SyncFolder(const std::filesystem::path& folder, Kind kind) {
  FileDescriptor handle(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!handle) ThrowSystemError(kind, "open", folder, errno);
  if (::fsync(handle.get()) != 0) ThrowSystemError(kind, "flush", folder, errno);
}

}  // namespace cadmus
