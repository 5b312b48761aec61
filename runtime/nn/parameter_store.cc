// SPDX-License-Identifier: Apache-2.0
#include "runtime/nn/parameter_store.h"

#include <set>

#include "runtime/nn/initial_values.h"
#include "runtime/nn/local_boxes.h"

namespace cadmus {

ParameterStore::ParameterStore(std::vector<Parameter*> parameters, const Precision& precision,
                               Stream& stream)
    : parameters_(std::move(parameters)) {
  std::set<std::string> names;
  weights_.reserve(parameters_.size());
  for (Parameter* parameter : parameters_) {
    CADMUS_CHECK(names.insert(parameter->name).second,
                 StrCat("two parameters are named ", parameter->name));
    weights_.emplace_back(precision.parameters, parameter->LocalShape(), MemoryCategory::kWeights,
                          stream);
    stream.device().FillZero(weights_.back(), stream);  // padding is never loaded
    parameter->weight = weights_.back().view();
    num_elements_ += parameter->LocalShape().num_elements();
  }
}

void ParameterStore::Initialize(uint64_t seed, Stream& stream) {
  for (const Parameter* parameter : parameters_) {
    const int64_t elements = parameter->LocalShape().num_elements();
    WriteInitialValues(*parameter, seed, {.offset = 0, .extent = elements},
                       parameter->weight.Reshape({elements}), stream);
  }
}

std::vector<StateEntry> ParameterStore::StateEntries() const {
  std::vector<StateEntry> entries;
  for (const Parameter* parameter : parameters_) {
    const TensorView weight_N = parameter->weight.Reshape({parameter->weight.num_elements()});
    for (const LocalBox& box : LocalBoxes(*parameter)) {
      entries.push_back(
          {.name = parameter->name,
           .global_shape = parameter->shape,
           .offset = box.global_offset,
           .local =
               weight_N.Slice(0, box.begin, box.begin + box.num_elements()).Reshape(box.extent),
           .is_writer = box.is_owner && parameter->is_first_holder});
    }
  }
  return entries;
}

}  // namespace cadmus
