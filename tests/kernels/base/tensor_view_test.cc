// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/tensor_view.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>

namespace cadmus {
namespace {

TEST(Shape, CountsElementsAlsoOfScalarsAndEmptyOnes) {
  EXPECT_EQ(Shape{}.num_elements(), 1);
  EXPECT_EQ((Shape{0, 5}).num_elements(), 0);
  EXPECT_EQ((Shape{2, 3, 5}).num_elements(), 30);
  EXPECT_EQ((Shape{2, 3, 5}).back(), 5);
  EXPECT_EQ((Shape{1 << 20, 1 << 20}).num_elements(), int64_t{1} << 40);
}

TEST(Shape, ComparesAndPrintsItsDims) {
  EXPECT_EQ((Shape{2, 3}), (Shape{2, 3}));
  EXPECT_NE((Shape{2, 3}), (Shape{3, 2}));
  EXPECT_NE((Shape{2, 0}), Shape{2});  // the unused dims do not count as zero
  EXPECT_EQ((Shape{2, 3, 5}).ToString(), "[2, 3, 5]");
  EXPECT_EQ(Shape{}.ToString(), "[]");
}

TEST(Shape, MoreThanSixDimsAreRefused) {
  EXPECT_EQ((Shape{1, 1, 1, 1, 1, 2}).num_dims(), 6);
  EXPECT_THROW((Shape{1, 1, 1, 1, 1, 1, 1}), Error);
}

class TensorViewTest : public ::testing::Test {
 protected:
  TensorViewTest() { std::iota(data_.begin(), data_.end(), 0.0F); }
  std::array<float, 24> data_ = {};
  TensorView x_{data_.data(), DType::kF32, {2, 3, 4}};
};

TEST_F(TensorViewTest, ANewViewIsContiguousLastDimFastest) {
  EXPECT_EQ(x_.strides(), (Shape{12, 4, 1}));
  EXPECT_TRUE(x_.IsContiguous());
  EXPECT_EQ(x_.num_bytes(), 96);
  EXPECT_EQ(x_.span_bytes(), 96);
}

TEST_F(TensorViewTest, AbsentIsNotEmpty) {
  EXPECT_FALSE(TensorView());
  EXPECT_TRUE(TensorView(nullptr, DType::kF32, {0}));
  EXPECT_EQ(TensorView(nullptr, DType::kF32, {0}).span_bytes(), 0);
}

TEST_F(TensorViewTest, SlicesKeepStridesAndMoveTheStart) {
  const TensorView middle = x_.Slice(1, 1, 3);
  EXPECT_EQ(middle.shape(), (Shape{2, 2, 4}));
  EXPECT_EQ(middle.strides(), (Shape{12, 4, 1}));
  EXPECT_EQ(middle.data<float>()[0], 4);
  EXPECT_FALSE(middle.IsContiguous());
  EXPECT_EQ(middle.span_bytes(), (12 + 4 + 3 + 1) * 4);
  const TensorView corner = middle.Slice(2, 3, 4).Slice(0, 1, 2);
  EXPECT_EQ(corner.data<float>()[0], 12 + 4 + 3);
  EXPECT_EQ(corner.span_bytes(), 5 * 4);
  EXPECT_TRUE(x_.Slice(0, 1, 2).IsContiguous());
  EXPECT_TRUE(x_.Slice(0, 0, 1).Slice(1, 2, 3).IsContiguous());  // dims of 1 have no stride
  const TensorView none = x_.Slice(2, 4, 4);
  EXPECT_EQ(none.num_elements(), 0);
  EXPECT_EQ(none.span_bytes(), 0);
}

TEST_F(TensorViewTest, SlicesOutsideAreRefused) {
  EXPECT_THROW(x_.Slice(3, 0, 1), Error);
  EXPECT_THROW(x_.Slice(0, 1, 3), Error);
  EXPECT_THROW(x_.Slice(0, 2, 1), Error);
  EXPECT_THROW(x_.Slice(0, -1, 1), Error);
}

TEST_F(TensorViewTest, ReshapeNeedsContiguousElementsOfTheSameNumber) {
  EXPECT_EQ(x_.Reshape({4, 6}).strides(), (Shape{6, 1}));
  EXPECT_EQ(x_.Reshape({24}).data<float>()[23], 23);
  EXPECT_THROW(x_.Reshape({4, 5}), Error);
  EXPECT_THROW(x_.Slice(1, 0, 2).Reshape({16}), Error);
}

TEST_F(TensorViewTest, TypedAccessChecksTheDType) {
  EXPECT_THROW(x_.data<double>(), Error);
  EXPECT_THROW(x_.data<int32_t>(), Error);
}

TEST_F(TensorViewTest, AMutableViewMayBeRead) {
  const ConstTensorView read_only = x_.Slice(1, 1, 2);
  EXPECT_EQ(read_only.data<float>()[0], 4);
  EXPECT_EQ(read_only.strides(), x_.strides());
  static_assert(!std::is_convertible_v<ConstTensorView, TensorView>);
  static_assert(std::is_same_v<decltype(read_only.data<float>()), const float*>);
}

}  // namespace
}  // namespace cadmus
