// SPDX-License-Identifier: Apache-2.0
// Tensor: owner of contiguous device memory in one category. Move-only; empty after a move; frees
// in its destructor.
#pragma once

#include <utility>

#include "kernels/base/tensor_view.h"
#include "kernels/device/device.h"

namespace cadmus {

class Tensor {
 public:
  Tensor() = default;
  Tensor(DType dtype, const Shape& shape, MemoryCategory category, Stream& stream)
      : allocator_(&stream.device().allocator()),
        view_(allocator_->Allocate(shape.num_elements() * SizeOf(dtype), category, stream), dtype,
              shape) {}
  Tensor(Tensor&& other) noexcept
      : allocator_(std::exchange(other.allocator_, nullptr)),
        view_(std::exchange(other.view_, TensorView())) {}
  Tensor& operator=(Tensor&& other) noexcept {
    if (this != &other) {
      Reset();
      allocator_ = std::exchange(other.allocator_, nullptr);
      view_ = std::exchange(other.view_, TensorView());
    }
    return *this;
  }
  ~Tensor() { Reset(); }

  explicit operator bool() const { return allocator_ != nullptr; }
  const TensorView& view() const { return view_; }
  operator const TensorView&() const { return view_; }  // NOLINT(google-explicit-constructor)
  operator ConstTensorView() const { return view_; }    // NOLINT(google-explicit-constructor)

  // See Allocator::RecordUse.
  void RecordUse(Stream& stream) const { allocator_->RecordUse(view_.raw(), stream); }

  void Reset() noexcept {
    if (allocator_ != nullptr) std::exchange(allocator_, nullptr)->Free(view_.raw());
    view_ = TensorView();
  }

 private:
  Allocator* allocator_ = nullptr;
  TensorView view_;
};

}  // namespace cadmus
