// SPDX-License-Identifier: Apache-2.0
#include "launch/config/make_precision.h"

#include "kernels/base/error.h"
#include "launch/config/run_config.pb.h"

namespace cadmus {

Precision MakePrecision(const PrecisionConfig& config) {
  switch (config.storage()) {
    case PrecisionConfig::F32:
      return Precision::All(DType::kF32);
    case PrecisionConfig::F64:
      return Precision::All(DType::kF64);
    case PrecisionConfig::BF16:
      return Precision::Bf16();
  }
  CADMUS_UNREACHABLE("a value of PrecisionConfig::Storage");
}

}  // namespace cadmus
