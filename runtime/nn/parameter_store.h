// SPDX-License-Identifier: Apache-2.0
// ParameterStore: memory of the weights of a model that is used and not trained: every rank holds
// its whole local tensors. (In training they are kept by runtime/parallel/data.)
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/device/tensor.h"
#include "runtime/nn/parameter.h"
#include "runtime/nn/precision.h"
#include "runtime/state/state_entry.h"

namespace cadmus {

class ParameterStore {
 public:
  // Gives each parameter its weight view, in the order given. Names must be unique (kInternal). The
  // store keeps the pointers; the parameters must outlive it.
  ParameterStore(std::vector<Parameter*> parameters, const Precision& precision, Stream& stream);

  // Writes the first values (initial_values.h). Blocks until they are on the device. Issues nothing
  // to a device that holds no values.
  void Initialize(uint64_t seed, Stream& stream);

  const std::vector<Parameter*>& parameters() const { return parameters_; }
  int64_t num_elements() const { return num_elements_; }  // of the local tensors
  std::vector<StateEntry> StateEntries() const;

 private:
  std::vector<Parameter*> parameters_;
  std::vector<Tensor> weights_;
  int64_t num_elements_ = 0;
};

}  // namespace cadmus
