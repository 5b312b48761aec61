// SPDX-License-Identifier: Apache-2.0
#include "runtime/nn/initial_values.h"

#include <algorithm>
#include <vector>

#include "kernels/base/philox.h"
#include "runtime/nn/local_boxes.h"

namespace cadmus {
namespace {

// Host memory for one upload at a time; large parameters go in pieces.
constexpr int64_t kUploadElements = int64_t{1} << 20;

// values[i] = the first value of element range.offset + i of the local tensor; padding stays.
void FillLocalValues(const Parameter& parameter, uint64_t seed, const FlatRange& range,
                     std::vector<double>& values) {
  for (const LocalBox& box : LocalBoxes(parameter, range)) {
    double* out = values.data() + (box.begin - range.offset);
    // Row by row: a box spans rows of the local tensor, not of the global one.
    const int last = box.extent.num_dims() - 1;
    const int64_t width = box.extent[last];
    Shape at = box.global_offset;
    for (int64_t row = 0; row < box.num_elements() / width; ++row) {
      int64_t begin = 0;
      int64_t rest = row;
      for (int dim = last - 1; dim >= 0; --dim) {
        at[dim] = box.global_offset[dim] + rest % box.extent[dim];
        rest /= box.extent[dim];
      }
      for (int dim = 0; dim <= last; ++dim) begin = begin * parameter.shape[dim] + at[dim];
      FillInitialValues(parameter, seed, begin, width, out + row * width);
    }
  }
}

// bf16 by way of f32: it is what the f32 master of the same weight rounds to.
template <class T>
T Stored(double value) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    return static_cast<T>(static_cast<float>(value));
  } else {
    return static_cast<T>(value);
  }
}

template <class T>
void Write(const Parameter& parameter, uint64_t seed, const FlatRange& range,
           const TensorView& weight_N, Stream& stream) {
  std::vector<double> values(static_cast<size_t>(std::min(kUploadElements, range.extent)));
  std::vector<T> staged(values.size());
  for (int64_t begin = 0; begin < range.extent; begin += kUploadElements) {
    const int64_t count = std::min(kUploadElements, range.extent - begin);
    std::fill(values.begin(), values.end(), 0.0);
    FillLocalValues(parameter, seed, {.offset = range.offset + begin, .extent = count}, values);
    std::transform(values.begin(), values.begin() + count, staged.begin(),
                   [](double value) { return Stored<T>(value); });
    stream.device().CopyToDevice(weight_N.Slice(0, begin, begin + count),
                                 ConstTensorView(staged.data(), DTypeOf<T>, {count}), stream);
    stream.Synchronize(stream.device().wait_limit());  // `staged` is about to be reused
  }
}

}  // namespace

void FillInitialValues(const Parameter& parameter, uint64_t seed, int64_t begin, int64_t count,
                       double* out) {
  if (parameter.initial.kind == InitialValue::Kind::kConstant) {
    std::fill(out, out + count, parameter.initial.value);
    return;
  }
  const PhiloxKey key = DeriveKey(seed, 0, SiteOf(parameter.name));
  for (int64_t i = begin; i < begin + count;) {
    const auto group = static_cast<uint64_t>(i / 4);
    const PhiloxWords words =
        Philox(key, {static_cast<uint32_t>(group), static_cast<uint32_t>(group >> 32), 0, 0});
    const auto first = NormalPairFromWords(words[0], words[1]);
    const auto second = NormalPairFromWords(words[2], words[3]);
    const double normals[4] = {first[0], first[1], second[0], second[1]};
    for (int64_t lane = i % 4; lane < 4 && i < begin + count; ++lane, ++i) {
      out[i - begin] = normals[lane] * parameter.initial.value;
    }
  }
}

void WriteInitialValues(const Parameter& parameter, uint64_t seed, const FlatRange& range,
                        const TensorView& weight_N, Stream& stream) {
  if (!stream.device().holds_values()) return;  // a trillion normal numbers take hours
  switch (weight_N.dtype()) {
    case DType::kF64:
      Write<double>(parameter, seed, range, weight_N, stream);
      break;
    case DType::kF32:
      Write<float>(parameter, seed, range, weight_N, stream);
      break;
    case DType::kBF16:
      Write<BFloat16>(parameter, seed, range, weight_N, stream);
      break;
    default:
      CADMUS_UNREACHABLE(StrCat("parameters of ", Name(weight_N.dtype())));
  }
}

}  // namespace cadmus
