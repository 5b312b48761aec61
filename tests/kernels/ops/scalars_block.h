// SPDX-License-Identifier: Apache-2.0
// A StepScalars block in device memory, between canaries.
#pragma once

#include "kernels/ops/step_scalars.h"
#include "tests/kernels/ops/op_test_support.h"

namespace cadmus {

class ScalarsBlock {
 public:
  ScalarsBlock(const OpBench& bench, const StepScalars& scalars)
      : bytes_(bench, {kStepScalarsBytes}) {
    Set(scalars);
  }
  TensorView view() const { return bytes_.view(); }

  void Set(const StepScalars& scalars) {
    std::vector<uint8_t> bytes(sizeof(scalars));
    std::memcpy(bytes.data(), &scalars, sizeof(scalars));
    bytes_.Set(bytes);
  }
  StepScalars Get() const {
    StepScalars scalars;
    std::memcpy(&scalars, bytes_.Get().data(), sizeof(scalars));
    return scalars;
  }

 private:
  GuardedTensor<uint8_t> bytes_;
};

}  // namespace cadmus
