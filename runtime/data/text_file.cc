// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/text_file.h"

#include <zlib.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <limits>

#include "kernels/base/file.h"

namespace cadmus {
namespace {

struct GzipTraits {
  using Handle = gzFile;
  static constexpr std::nullptr_t kEmpty = nullptr;
  static void Close(gzFile file) noexcept { ::gzclose_r(file); }
};

// A token covers at least a byte, so the tokens of a document count in 31 bits.
constexpr size_t kMaxBytes = std::numeric_limits<int32_t>::max();
constexpr unsigned kChunkBytes = 1 << 18;

}  // namespace

bool ReadTextFile(const std::filesystem::path& path, std::string& text) {
  FileDescriptor descriptor = OpenForReading(path, Kind::kData);
  // zlib passes content that is not gzip through as it is.
  UniqueHandle<GzipTraits> file(::gzdopen(descriptor.get(), "rb"));
  if (!file) throw Error(Kind::kOutOfMemory, StrCat("cannot open ", path.string(), " with zlib"));
  descriptor.release();  // closed with `file`
  ::gzbuffer(file.get(), kChunkBytes);
  text.clear();
  while (true) {
    const size_t size = text.size();
    text.resize(size + kChunkBytes);
    const int got = ::gzread(file.get(), text.data() + size, kChunkBytes);
    int code = Z_OK;
    const char* reason = ::gzerror(file.get(), &code);
    // A truncated stream reads short without a failure and leaves Z_BUF_ERROR.
    if (got < 0 || code == Z_BUF_ERROR) {
      throw Error(Kind::kData, StrCat("cannot read ", path.string(), ": ",
                                      code == Z_ERRNO ? std::strerror(errno) : reason,
                                      "; replace the file or remove it from the folder"));
    }
    text.resize(size + static_cast<size_t>(got));
    if (std::memchr(text.data() + size, 0, static_cast<size_t>(got)) != nullptr) return false;
    if (got == 0) return true;
    if (text.size() > kMaxBytes) {
      throw Error(Kind::kData, StrCat(path.string(),
                                      ": a document is less than 2 GiB of text; "
                                      "split the file"));
    }
  }
}

}  // namespace cadmus
