// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/text_stream.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "kernels/base/file.h"

namespace cadmus {
namespace {

struct GzipTraits {
  using Handle = gzFile;
  static constexpr std::nullptr_t kEmpty = nullptr;
  static void Close(gzFile file) noexcept { ::gzclose_r(file); }
};

constexpr size_t kChunkBytes = size_t{1} << 18;

}  // namespace

struct TextStream::File {
  UniqueHandle<GzipTraits> handle;
};

TextStream::TextStream(const std::filesystem::path& path) : path_(path) {
  FileDescriptor descriptor = OpenForReading(path, Kind::kData);
  // zlib passes content that is not gzip through as it is.
  file_ = std::make_unique<File>(UniqueHandle<GzipTraits>(::gzdopen(descriptor.get(), "rb")));
  if (!file_->handle) {
    throw Error(Kind::kOutOfMemory, StrCat("cannot open ", path.string(), " with zlib"));
  }
  descriptor.release();  // closed with the handle
  ::gzbuffer(file_->handle.get(), kChunkBytes);
}

TextStream::~TextStream() = default;

bool TextStream::FillTo(size_t size, std::string& text) {
  while (text.size() < size) {
    const size_t before = text.size();
    const size_t asked = std::min(size - before, kChunkBytes);
    text.resize(before + asked);
    const int got =
        ::gzread(file_->handle.get(), text.data() + before, static_cast<unsigned>(asked));
    int code = Z_OK;
    const char* reason = ::gzerror(file_->handle.get(), &code);
    // A truncated stream reads short without a failure and leaves Z_BUF_ERROR.
    if (got < 0 || code == Z_BUF_ERROR) {
      throw Error(Kind::kData, StrCat("cannot read ", path_.string(), ": ",
                                      code == Z_ERRNO ? std::strerror(errno) : reason,
                                      "; replace the file or remove it from the folder"));
    }
    text.resize(before + static_cast<size_t>(got));
    if (got == 0) return false;
  }
  return true;
}

int64_t TextStream::file_bytes() const { return ::gzoffset(file_->handle.get()); }

}  // namespace cadmus
