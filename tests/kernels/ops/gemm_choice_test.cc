// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/gemm_choice.h"

#include "tests/kernels/ops/op_test_support.h"

namespace cadmus {
namespace {

TEST(GemmChoice, OfTheBf16LibraryIsMadeByTheProcessorAndNamed) {
  const GemmSpec spec = {.m = 8, .n = 8, .k = 8, .dtype = DType::kBF16};
  DeviceProperties properties;
  EXPECT_EQ(ChooseGemmLibrary(spec, properties), GemmLibrary::kConvertedBf16);
  EXPECT_THAT(ReasonForBf16Library(properties), testing::HasSubstr("neither AVX512-BF16 nor AMX"));
  properties.bf16_products = true;
  EXPECT_EQ(ChooseGemmLibrary(spec, properties), GemmLibrary::kOneDnnBf16);
  EXPECT_THAT(ReasonForBf16Library(properties), testing::HasSubstr("has AVX512-BF16 or AMX"));
  const OpBench bench;
  const auto library = ChooseGemmLibrary(spec, bench.device->properties());
  EXPECT_EQ(MakePlan(*bench.device, spec)->kernel, StrCat(Name(library), " on tiles of 8 x 8"));
}

}  // namespace
}  // namespace cadmus
