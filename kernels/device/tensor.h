// SPDX-License-Identifier: Apache-2.0
// Tensor: owner of contiguous device memory in one category. Move-only; empty after a move; frees
// in its destructor. A borrowed tensor stands where an owner is asked for but frees nothing.
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
        category_(category),
        view_(allocator_->Allocate(shape.num_elements() * SizeOf(dtype), category, stream), dtype,
              shape) {}
  Tensor(Tensor&& other) noexcept
      : allocator_(std::exchange(other.allocator_, nullptr)),
        category_(other.category_),
        is_borrowed_(std::exchange(other.is_borrowed_, false)),
        view_(std::exchange(other.view_, TensorView())) {}
  Tensor& operator=(Tensor&& other) noexcept {
    if (this != &other) {
      Reset();
      allocator_ = std::exchange(other.allocator_, nullptr);
      category_ = other.category_;
      is_borrowed_ = std::exchange(other.is_borrowed_, false);
      view_ = std::exchange(other.view_, TensorView());
    }
    return *this;
  }
  ~Tensor() { Reset(); }

  explicit operator bool() const { return allocator_ != nullptr; }
  const TensorView& view() const { return view_; }
  operator const TensorView&() const { return view_; }  // NOLINT(google-explicit-constructor)
  operator ConstTensorView() const { return view_; }    // NOLINT(google-explicit-constructor)

  // Of a tensor that is not empty.
  MemoryCategory category() const { return category_; }

  // The same memory without owning it: this tensor frees it, and must live until the last use of
  // the borrowed one has been issued. Empty for an empty tensor.
  Tensor Borrow() const {
    Tensor borrowed;
    borrowed.allocator_ = allocator_;
    borrowed.category_ = category_;
    borrowed.is_borrowed_ = allocator_ != nullptr;
    borrowed.view_ = view_;
    return borrowed;
  }
  bool is_borrowed() const { return is_borrowed_; }

  // See Allocator::RecordUse.
  void RecordUse(Stream& stream) const { allocator_->RecordUse(view_.raw(), stream); }

  void Reset() noexcept {
    Allocator* const allocator = std::exchange(allocator_, nullptr);
    if (allocator != nullptr && !std::exchange(is_borrowed_, false)) allocator->Free(view_.raw());
    view_ = TensorView();
  }

 private:
  Allocator* allocator_ = nullptr;
  MemoryCategory category_ = MemoryCategory::kWorkspace;
  bool is_borrowed_ = false;
  TensorView view_;
};

}  // namespace cadmus
