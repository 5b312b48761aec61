// SPDX-License-Identifier: Apache-2.0
#include "runtime/parallel/tensor/place.h"

#include <gtest/gtest.h>
#include "kernels/base/error.h"
#include "tests/runtime/parallel/tensor/tensor_rank.h"

namespace cadmus {
namespace {

Parameter Matrix() { return {.name = "matrix", .shape = {10, 6}}; }

TEST(Place, OneRankKeepsTheParameterWhole) {
  Parameter matrix = Matrix();
  Place(matrix, {.name = "matrix", .dims = {Sharded(Axis::kTp, 10), Replicated(6)}},
        TensorParallel());
  EXPECT_TRUE(matrix.slices.empty());
  EXPECT_EQ(matrix.LocalShape(), Shape({10, 6}));
}

TEST(Place, ARankGetsItsRowsAndThePadding) {
  OnTensorRanks(4, {}, [](TensorRank& rank) {
    Parameter matrix = Matrix();
    Place(matrix,
          {.name = "matrix",
           .dims = {{.axes = Axis::kTp, .blocks = {{.extent = 10, .padding = 2}}}, Replicated(6)}},
          rank.parallel());
    EXPECT_EQ(matrix.LocalShape(), Shape({3, 6}));
    ASSERT_EQ(matrix.slices.size(), 1U);
    const PlacedSlice& slice = matrix.slices[0];
    const int index = rank.parallel().index();
    EXPECT_EQ(slice.global_offset, Shape({3 * index, 0}));
    EXPECT_EQ(slice.extent, Shape({index < 3 ? 3 : 1, 6}));
    EXPECT_TRUE(slice.is_owner());
  });
}

TEST(Place, TheFirstOfTheRanksThatHoldAWholeParameterOwnsIt) {
  OnTensorRanks(2, {}, [](TensorRank& rank) {
    Parameter matrix = Matrix();
    Place(matrix, {.name = "matrix", .dims = {Replicated(10), Replicated(6)}}, rank.parallel());
    ASSERT_EQ(matrix.slices.size(), 1U);
    EXPECT_EQ(matrix.slices[0].is_owner(), rank.parallel().index() == 0);
    EXPECT_EQ(matrix.LocalShape(), matrix.shape);
  });
}

TEST(Place, APlacementOfAnotherShapeIsRefused) {
  OnTensorRanks(2, {}, [](TensorRank& rank) {
    Parameter matrix = Matrix();
    EXPECT_THROW(Place(matrix, {.name = "matrix", .dims = {Replicated(10)}}, rank.parallel()),
                 Error);
  });
}

}  // namespace
}  // namespace cadmus
