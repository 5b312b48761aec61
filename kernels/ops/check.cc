// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/check.h"

namespace cadmus {

void Check::Fail(const char* name, const ConstTensorView& view, std::string_view letters,
                 std::string_view what) const {
  std::string bound;
  for (char letter : letters) {
    const int64_t extent = extents_[static_cast<size_t>(letter)];
    bound += StrCat(bound.empty() ? "" : ", ", letter, " = ",
                    extent < 0 ? std::string("?") : StrCat(extent));
  }
  throw Error(Kind::kInternal,
              StrCat(op_, ": ", name, " ", Name(view.dtype()), view.shape().ToString(), ": ", what,
                     "; expected [", letters, "] with ", bound));
}

void Check::Tensor(const char* name, const ConstTensorView& view, std::string_view letters,
                   DType dtype, Layout layout) {
  if (!view) Fail(name, view, letters, "is absent");
  if (view.dtype() != dtype) Fail(name, view, letters, StrCat("must be ", Name(dtype)));
  if (view.num_dims() != static_cast<int>(letters.size()))
    Fail(name, view, letters, "has the wrong number of dims");
  for (int i = 0; i < view.num_dims(); ++i) {
    int64_t& extent = extents_[static_cast<size_t>(letters[static_cast<size_t>(i)])];
    if (extent < 0) extent = view.dim(i);
    if (extent != view.dim(i)) Fail(name, view, letters, StrCat("dim ", i, " disagrees"));
  }
  const bool fits = layout == Layout::kContiguous
                        ? view.IsContiguous()
                        : view.num_dims() == 0 || view.shape().back() <= 1 ||
                              view.stride(view.num_dims() - 1) == 1;
  if (!fits) Fail(name, view, letters, "must be contiguous");
}

void Check::Optional(const char* name, const ConstTensorView& view, std::string_view letters,
                     DType dtype, Layout layout) {
  if (view) Tensor(name, view, letters, dtype, layout);
}

DType Check::FloatTensor(const char* name, const ConstTensorView& view, std::string_view letters,
                         Layout layout) {
  if (view && !IsStorageDType(view.dtype())) {
    Fail(name, view, letters, "must be F64, F32 or BF16");
  }
  Tensor(name, view, letters, view.dtype(), layout);
  return view.dtype();
}

DType Check::WideTensor(const char* name, const ConstTensorView& view, std::string_view letters) {
  if (view && view.dtype() != StatisticsDType(view.dtype())) {
    Fail(name, view, letters, "must be F64 or F32");
  }
  Tensor(name, view, letters, view.dtype());
  return view.dtype();
}

void Check::Gradient(const char* name, const ConstTensorView& view, std::string_view letters,
                     DType storage) {
  Tensor(name, view, letters, view.dtype() == storage ? storage : StatisticsDType(storage));
}

void Check::Workspace(const ConstTensorView& view, int64_t needed, std::string_view sized_by) {
  if (needed == 0) return;
  Tensor("workspace", view, "W", DType::kU8);
  if (view.num_bytes() < needed)
    throw Error(Kind::kInternal, StrCat(op_, ": workspace is smaller than ", sized_by));
}

void Check::Bind(char letter, int64_t extent) {
  int64_t& bound = extents_[static_cast<size_t>(letter)];
  if (bound >= 0 && bound != extent) {
    throw Error(Kind::kInternal,
                StrCat(op_, ": ", letter, " = ", bound, ", but ", extent, " is asked for"));
  }
  bound = extent;
}

int64_t Check::operator[](char letter) const { return extents_[static_cast<size_t>(letter)]; }

void Check::True(bool condition, std::string_view what) const {
  if (!condition) throw Error(Kind::kInternal, StrCat(op_, ": ", what));
}

}  // namespace cadmus
