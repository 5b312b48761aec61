// SPDX-License-Identifier: Apache-2.0
// UniqueHandle: move-only owner of a C handle. Moved-from is empty; the destructor closes and never
// throws.
//
//   struct FileTraits { using Handle = int; static constexpr int kEmpty = -1;
//                       static void Close(int fd) noexcept { ::close(fd); } };
//   UniqueHandle<FileTraits> file(::open(...));
#pragma once

#include <utility>

namespace cadmus {

template <class Traits>
class UniqueHandle {
 public:
  using Handle = typename Traits::Handle;

  UniqueHandle() = default;
  explicit UniqueHandle(Handle handle) : handle_(handle) {}
  UniqueHandle(UniqueHandle&& other) noexcept
      : handle_(std::exchange(other.handle_, Traits::kEmpty)) {}
  UniqueHandle& operator=(UniqueHandle&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, Traits::kEmpty);
    }
    return *this;
  }
  ~UniqueHandle() { reset(); }

  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != Traits::kEmpty; }
  Handle release() { return std::exchange(handle_, Traits::kEmpty); }
  void reset() noexcept {
    if (handle_ != Traits::kEmpty) Traits::Close(std::exchange(handle_, Traits::kEmpty));
  }

 private:
  Handle handle_ = Traits::kEmpty;
};

}  // namespace cadmus
