// SPDX-License-Identifier: Apache-2.0
// TensorView and ConstTensorView: borrowed, typed, possibly strided pieces of device or host
// memory. A default-constructed view means "absent". The memory may not be readable by the host.
//
//   TensorView q = qkv.Slice(2, 0, num_heads);   // [B, S, H, D] inside [B, S, H + 2K, D]
#pragma once

#include <type_traits>

#include "kernels/base/dtype.h"
#include "kernels/base/shape.h"

namespace cadmus {

template <class Void>
class BasicTensorView {
  static constexpr bool kMutable = !std::is_const_v<Void>;
  using Byte = std::conditional_t<kMutable, char, const char>;

 public:
  BasicTensorView() = default;
  // A contiguous view, last dim fastest.
  BasicTensorView(Void* data, DType dtype, const Shape& shape)
      : data_(data), dtype_(dtype), shape_(shape) {
    strides_ = shape;
    int64_t stride = 1;
    for (int i = shape.num_dims() - 1; i >= 0; --i) {
      strides_[i] = stride;
      stride *= shape[i];
    }
  }
  // Strides are in elements.
  BasicTensorView(Void* data, DType dtype, const Shape& shape, const Shape& strides)
      : data_(data), dtype_(dtype), shape_(shape), strides_(strides) {}
  // A mutable view may be read.
  template <class Other>
  requires(!kMutable && std::is_same_v<Other, void>)
      BasicTensorView(const BasicTensorView<Other>& o)  // NOLINT(google-explicit-constructor)
      : data_(o.raw()), dtype_(o.dtype()), shape_(o.shape()), strides_(o.strides()) {}

  // False for an absent view.
  explicit operator bool() const { return dtype_ != DType::kNone; }

  Void* raw() const { return data_; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  const Shape& strides() const { return strides_; }
  int64_t dim(int i) const { return shape_[i]; }
  int64_t stride(int i) const { return strides_[i]; }
  int num_dims() const { return shape_.num_dims(); }
  int64_t num_elements() const { return shape_.num_elements(); }
  int64_t num_bytes() const { return num_elements() * SizeOf(dtype_); }

  bool IsContiguous() const {
    int64_t stride = 1;
    for (int i = num_dims() - 1; i >= 0; --i) {
      if (shape_[i] != 1 && strides_[i] != stride) return false;
      stride *= shape_[i];
    }
    return true;
  }

  // Bytes from the first to one past the last element: the range that an access may touch.
  int64_t span_bytes() const {
    if (num_elements() == 0) return 0;
    int64_t last = 0;
    for (int i = 0; i < num_dims(); ++i) last += (shape_[i] - 1) * strides_[i];
    return (last + 1) * SizeOf(dtype_);
  }

  // Typed pointer; T must be the storage type of dtype().
  template <class T>
  auto data() const {
    CADMUS_CHECK(DTypeOf<T> == dtype_,
                 StrCat("asked for ", Name(DTypeOf<T>), " of a ", Name(dtype_), " view"));
    return static_cast<std::conditional_t<kMutable, T, const T>*>(data_);
  }

  // Elements [begin, end) of one dim.
  BasicTensorView Slice(int dim, int64_t begin, int64_t end) const {
    CADMUS_CHECK(dim < num_dims() && 0 <= begin && begin <= end && end <= shape_[dim],
                 StrCat("slice [", begin, ", ", end, ") of dim ", dim, " of ", shape_.ToString()));
    BasicTensorView out = *this;
    out.data_ = reinterpret_cast<Byte*>(data_) + begin * strides_[dim] * SizeOf(dtype_);
    out.shape_[dim] = end - begin;
    return out;
  }

  // The same elements under another shape; the view must be contiguous.
  BasicTensorView Reshape(const Shape& shape) const {
    CADMUS_CHECK(IsContiguous() && shape.num_elements() == num_elements(),
                 StrCat("reshape ", shape_.ToString(), " to ", shape.ToString()));
    return BasicTensorView(data_, dtype_, shape);
  }

 private:
  Void* data_ = nullptr;
  DType dtype_ = DType::kNone;
  Shape shape_;
  Shape strides_;
};

using TensorView = BasicTensorView<void>;
using ConstTensorView = BasicTensorView<const void>;

}  // namespace cadmus
