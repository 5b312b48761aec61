// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl/nccl_bootstrap.h"
#include "kernels/base/str_cat.h"

namespace cadmus {

std::string NcclVersionInWords(int version) {
  return StrCat("NCCL ", version / 10000, ".", version / 100 % 100, ".", version % 100);
}

}  // namespace cadmus
