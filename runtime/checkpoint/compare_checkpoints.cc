// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/compare_checkpoints.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <map>
#include <span>

#include "kernels/base/error.h"
#include "runtime/checkpoint/box_reader.h"
#include "runtime/checkpoint/chunk_reader.h"
#include "runtime/checkpoint/manifest.h"

namespace cadmus {
namespace {

constexpr int64_t kPieceElements = int64_t{1} << 19;

template <class T>
void Widen(std::span<const std::byte> bytes, std::span<double> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = static_cast<double>(value);
  }
}

double FromHalf(uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f;
  const double fraction = (bits & 0x3ff) / 1024.0;
  double value = 0;
  if (exponent == 0x1f) {
    value = fraction == 0 ? HUGE_VAL : std::nan("");
  } else if (exponent == 0) {
    value = std::ldexp(fraction, -14);
  } else {
    value = std::ldexp(1 + fraction, exponent - 15);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

template <class Convert>
void WidenBits(std::span<const std::byte> bytes, std::span<double> out, const Convert& convert) {
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t bits = 0;
    std::memcpy(&bits, bytes.data() + i * sizeof(bits), sizeof(bits));
    out[i] = convert(bits);
  }
}

void ToF64(DType dtype, std::span<const std::byte> bytes, std::span<double> out) {
  switch (dtype) {
    case DType::kF64:
      return Widen<double>(bytes, out);
    case DType::kF32:
      return Widen<float>(bytes, out);
    case DType::kBF16:
      return WidenBits(bytes, out, [](uint16_t bits) {
        return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(bits) << 16));
      });
    case DType::kF16:
      return WidenBits(bytes, out, FromHalf);
    case DType::kI64:
      return Widen<int64_t>(bytes, out);
    case DType::kI32:
      return Widen<int32_t>(bytes, out);
    case DType::kU16:
      return Widen<uint16_t>(bytes, out);
    case DType::kU8:
      return Widen<uint8_t>(bytes, out);
    case DType::kNone:
      break;
  }
  CADMUS_UNREACHABLE("the manifest has checked the dtypes");
}

// A tensor read front to back.
class Side {
 public:
  Side(const StoredTensor& tensor, ChunkReader& reader)
      : dtype_(tensor.dtype), elements_(tensor, WholeOf(tensor.shape), reader) {}

  int64_t elements_left() const { return elements_.elements_left(); }
  void ReadNext(int64_t num_elements) {
    bytes_.resize(static_cast<size_t>(num_elements * SizeOf(dtype_)));
    elements_.Read(bytes_);
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }
  const std::vector<double>& InF64() {
    values_.resize(bytes_.size() / static_cast<size_t>(SizeOf(dtype_)));
    ToF64(dtype_, bytes_, values_);
    return values_;
  }

 private:
  static Box WholeOf(const Shape& shape) {
    Box whole = {.offset = shape, .extent = shape};
    for (int dim = 0; dim < shape.num_dims(); ++dim) whole.offset[dim] = 0;
    return whole;
  }

  DType dtype_;
  BoxReader elements_;
  std::vector<std::byte> bytes_;
  std::vector<double> values_;
};

struct Sums {
  double squares = 0;
  int64_t num_compared = 0;
};

void Add(std::span<const double> a, std::span<const double> b, ValueDifference& difference,
         Sums& sums) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) {
      ++sums.num_compared;
      continue;
    }
    ++difference.num_different;
    const double absolute = std::abs(a[i] - b[i]);
    if (!std::isfinite(a[i]) || !std::isfinite(b[i])) {
      ++difference.num_incomparable;
      continue;
    }
    ++sums.num_compared;
    sums.squares += absolute * absolute;
    difference.max_absolute = std::max(difference.max_absolute, absolute);
    difference.max_relative =
        std::max(difference.max_relative, absolute / std::max(std::abs(a[i]), std::abs(b[i])));
  }
}

void CompareValues(Side& a, Side& b, TensorComparison& comparison) {
  const bool same_dtype = comparison.first->dtype == comparison.second->dtype;
  comparison.bit_equal = same_dtype;
  ValueDifference difference;
  Sums sums;
  while (a.elements_left() > 0) {
    const int64_t count = std::min(a.elements_left(), kPieceElements);
    a.ReadNext(count);
    b.ReadNext(count);
    if (same_dtype && a.bytes() == b.bytes()) {
      sums.num_compared += count;
      continue;
    }
    comparison.bit_equal = false;
    Add(a.InF64(), b.InF64(), difference, sums);
  }
  if (comparison.bit_equal) return;
  difference.rms =
      sums.num_compared == 0 ? 0 : std::sqrt(sums.squares / static_cast<double>(sums.num_compared));
  comparison.values = difference;
}

std::optional<StoredType> TypeOf(const StoredTensor* tensor) {
  if (tensor == nullptr) return std::nullopt;
  return StoredType{.dtype = tensor->dtype, .shape = tensor->shape};
}

}  // namespace

std::vector<TensorComparison> CompareCheckpoints(const std::filesystem::path& first,
                                                 const std::filesystem::path& second) {
  const Manifest first_manifest = ReadManifest(first), second_manifest = ReadManifest(second);
  ChunkReader first_reader(first, first_manifest), second_reader(second, second_manifest);
  struct Pair {
    const StoredTensor *first = nullptr, *second = nullptr;
  };
  std::map<std::string, Pair> tensors;
  for (const StoredTensor& tensor : first_manifest.tensors) tensors[tensor.name].first = &tensor;
  for (const StoredTensor& tensor : second_manifest.tensors) tensors[tensor.name].second = &tensor;
  std::vector<TensorComparison> comparisons;
  for (const auto& [name, pair] : tensors) {
    TensorComparison comparison = {
        .name = name, .first = TypeOf(pair.first), .second = TypeOf(pair.second)};
    if (comparison.first && comparison.second &&
        comparison.first->shape == comparison.second->shape) {
      Side a(*pair.first, first_reader), b(*pair.second, second_reader);
      CompareValues(a, b, comparison);
    }
    comparisons.push_back(std::move(comparison));
  }
  return comparisons;
}

}  // namespace cadmus
