// SPDX-License-Identifier: Apache-2.0
// ParameterStore: memory and first values of a stage's parameters. Values depend on (seed, name,
// global element index) only: element i of a normal parameter is normal i % 4 of
// Philox(DeriveKey(seed, 0, SiteOf(name)), i / 4), so every layout starts from the same weights.
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

  // Writes the first values. Blocks until they are on the device.
  void Initialize(uint64_t seed, Stream& stream);

  const std::vector<Parameter*>& parameters() const { return parameters_; }
  int64_t num_elements() const { return num_elements_; }
  std::vector<StateEntry> StateEntries() const;

 private:
  std::vector<Parameter*> parameters_;
  std::vector<Tensor> weights_;
  int64_t num_elements_ = 0;
};

// The first values of one parameter as f64, elements [begin, begin + count).
void FillInitialValues(const Parameter& parameter, uint64_t seed, int64_t begin, int64_t count,
                       double* out);

}  // namespace cadmus
