// SPDX-License-Identifier: Apache-2.0
#include "runtime/parallel/data/parameter_shard.h"

#include "runtime/nn/local_boxes.h"

namespace cadmus {

std::vector<StateEntry> EntriesOf(const std::string& prefix, const ParameterShard& shard,
                                  const TensorView& tensor_N) {
  const Parameter& parameter = *shard.parameter;
  std::vector<StateEntry> entries;
  for (const LocalBox& box : LocalBoxes(parameter, shard.range)) {
    const int64_t begin = box.begin - shard.range.offset;
    entries.push_back(
        {.name = prefix + parameter.name,
         .global_shape = parameter.shape,
         .offset = box.global_offset,
         .local = tensor_N.Slice(0, begin, begin + box.num_elements()).Reshape(box.extent),
         .is_writer = box.is_owner && parameter.is_first_holder});
  }
  return entries;
}

}  // namespace cadmus
