// SPDX-License-Identifier: Apache-2.0
#include "runtime/nn/parameter_store.h"

#include <algorithm>
#include <set>

#include "kernels/base/philox.h"

namespace cadmus {
namespace {

// Host memory for one upload at a time; large parameters go in pieces.
constexpr int64_t kUploadElements = int64_t{1} << 20;

template <class T>
void UploadInitialValues(const Parameter& parameter, uint64_t seed, Stream& stream) {
  std::vector<double> values(
      static_cast<size_t>(std::min(kUploadElements, parameter.shape.num_elements())));
  std::vector<T> staged(values.size());
  const int64_t num_elements = parameter.shape.num_elements();
  const TensorView flat = parameter.weight.Reshape({num_elements});
  for (int64_t begin = 0; begin < num_elements; begin += kUploadElements) {
    const int64_t count = std::min(kUploadElements, num_elements - begin);
    FillInitialValues(parameter, seed, begin, count, values.data());
    std::transform(values.begin(), values.begin() + count, staged.begin(),
                   [](double value) { return static_cast<T>(value); });
    stream.device().CopyToDevice(flat.Slice(0, begin, begin + count),
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

ParameterStore::ParameterStore(std::vector<Parameter*> parameters, const Precision& precision,
                               Stream& stream)
    : parameters_(std::move(parameters)) {
  std::set<std::string> names;
  weights_.reserve(parameters_.size());
  for (Parameter* parameter : parameters_) {
    CADMUS_CHECK(names.insert(parameter->name).second,
                 StrCat("two parameters are named ", parameter->name));
    weights_.emplace_back(precision.parameters, parameter->shape, MemoryCategory::kWeights, stream);
    parameter->weight = weights_.back().view();
    num_elements_ += parameter->shape.num_elements();
  }
}

void ParameterStore::Initialize(uint64_t seed, Stream& stream) {
  for (const Parameter* parameter : parameters_) {
    switch (parameter->weight.dtype()) {
      case DType::kF64:
        UploadInitialValues<double>(*parameter, seed, stream);
        break;
      case DType::kF32:
        UploadInitialValues<float>(*parameter, seed, stream);
        break;
      default:
        CADMUS_UNREACHABLE(StrCat("parameters of ", Name(parameter->weight.dtype())));
    }
  }
}

std::vector<StateEntry> ParameterStore::StateEntries() const {
  std::vector<StateEntry> entries;
  for (const Parameter* parameter : parameters_) {
    Shape origin = parameter->shape;
    for (int dim = 0; dim < origin.num_dims(); ++dim) origin[dim] = 0;
    entries.push_back({.name = parameter->name,
                       .global_shape = parameter->shape,
                       .offset = origin,
                       .local = parameter->weight});
  }
  return entries;
}

}  // namespace cadmus
