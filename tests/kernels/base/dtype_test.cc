// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/dtype.h"

#include <gtest/gtest.h>

namespace cadmus {
namespace {

TEST(DType, NamesAreThoseOfSafetensorsAndReadBack) {
  EXPECT_EQ(Name(DType::kF64), "F64");
  EXPECT_EQ(Name(DType::kBF16), "BF16");
  EXPECT_EQ(Name(DType::kU16), "U16");
  for (DType dtype : {DType::kF64, DType::kF32, DType::kBF16, DType::kF16, DType::kI64, DType::kI32,
                      DType::kU16, DType::kU8}) {
    EXPECT_EQ(DTypeFromName(Name(dtype)), dtype);
  }
  for (const char* unknown : {"", "none", "f32", "F31", "F32 "}) {
    EXPECT_EQ(DTypeFromName(unknown), std::nullopt) << unknown;
  }
}

TEST(DType, SizesAndTypesAgree) {
  EXPECT_EQ(SizeOf(DTypeOf<double>), 8);
  EXPECT_EQ(SizeOf(DTypeOf<float>), 4);
  EXPECT_EQ(SizeOf(DTypeOf<int64_t>), 8);
  EXPECT_EQ(SizeOf(DTypeOf<int32_t>), 4);
  EXPECT_EQ(SizeOf(DTypeOf<uint16_t>), 2);
  EXPECT_EQ(SizeOf(DTypeOf<uint8_t>), 1);
  EXPECT_EQ(SizeOf(DType::kBF16), 2);
  EXPECT_EQ(SizeOf(DType::kF16), 2);
  EXPECT_EQ(SizeOf(DType::kNone), 0);
  EXPECT_EQ(DTypeOf<char*>, DType::kNone);
}

}  // namespace
}  // namespace cadmus
