// SPDX-License-Identifier: Apache-2.0
// Boxes of local ranges: every local element that is not padding is in exactly one, at its global
// place, and elements of a box are consecutive.
#include "runtime/nn/local_boxes.h"

#include <map>
#include <vector>

#include <gtest/gtest.h>
#include "kernels/base/error.h"

namespace cadmus {
namespace {

int64_t FlatIndex(const Shape& shape, const Shape& at) {
  int64_t index = 0;
  for (int dim = 0; dim < shape.num_dims(); ++dim) index = index * shape[dim] + at[dim];
  return index;
}

// Calls body(place in the box, index) for all elements of a box of `extent`.
template <class Body>
void ForEach(const Shape& extent, const Body& body) {
  Shape at = extent;
  for (int64_t i = 0; i < extent.num_elements(); ++i) {
    int64_t rest = i;
    for (int dim = extent.num_dims() - 1; dim >= 0; --dim) {
      at[dim] = rest % extent[dim];
      rest /= extent[dim];
    }
    body(at, i);
  }
}

Shape Sum(const Shape& a, const Shape& b) {
  Shape sum = a;
  for (int dim = 0; dim < sum.num_dims(); ++dim) sum[dim] += b[dim];
  return sum;
}

struct Element {
  int64_t global = 0;
  bool is_owner = false;
  bool operator==(const Element&) const = default;
};
using Elements = std::map<int64_t, Element>;  // by place in the local tensor

Elements ByDefinition(const Parameter& parameter) {
  Elements elements;
  for (const PlacedSlice& slice : parameter.slices) {
    ForEach(slice.extent, [&](const Shape& at, int64_t) {
      elements[FlatIndex(parameter.local_shape, Sum(slice.local_offset, at))] = {
          FlatIndex(parameter.shape, Sum(slice.global_offset, at)), slice.is_owner()};
    });
  }
  return elements;
}

Elements ByBoxes(const Parameter& parameter, const std::vector<LocalBox>& boxes) {
  Elements elements;
  for (const LocalBox& box : boxes) {
    EXPECT_GT(box.num_elements(), 0);
    ForEach(box.extent, [&](const Shape& at, int64_t i) {
      const int64_t global = FlatIndex(parameter.shape, Sum(box.global_offset, at));
      EXPECT_TRUE(elements.emplace(box.begin + i, Element{global, box.is_owner}).second);
    });
  }
  return elements;
}

// Fused rows: two blocks of rows, the second a replica; a padded row.
Parameter RowBlocks() {
  Parameter parameter;
  parameter.name = "rows";
  parameter.shape = {12, 3};
  parameter.local_shape = {6, 3};
  parameter.slices = {
      {.global_offset = {4, 0}, .local_offset = {0, 0}, .extent = {2, 3}},
      {.global_offset = {8, 0},
       .local_offset = {2, 0},
       .extent = {3, 3},
       .replica = 1,
       .num_replicas = 2},
  };
  return parameter;
}

Parameter Columns() {
  Parameter parameter;
  parameter.name = "columns";
  parameter.shape = {5, 9};
  parameter.local_shape = {5, 3};
  parameter.slices = {{.global_offset = {0, 6}, .local_offset = {0, 0}, .extent = {5, 3}}};
  return parameter;
}

// A piece with padding behind each row.
Parameter PaddedColumns() {
  Parameter parameter = Columns();
  parameter.local_shape = {5, 4};
  return parameter;
}

Parameter Cube() {
  Parameter parameter;
  parameter.name = "cube";
  parameter.shape = {4, 3, 2};
  parameter.local_shape = {2, 3, 2};
  parameter.slices = {{.global_offset = {2, 0, 0}, .local_offset = {0, 0, 0}, .extent = {2, 3, 2}}};
  return parameter;
}

TEST(LocalBoxes, HoldEveryElementOfAnyRangeOnce) {
  for (const Parameter& parameter : {RowBlocks(), Columns(), PaddedColumns(), Cube()}) {
    const Elements all = ByDefinition(parameter);
    const int64_t size = parameter.local_shape.num_elements();
    EXPECT_EQ(ByBoxes(parameter, LocalBoxes(parameter)), all) << parameter.name;
    for (int64_t begin = 0; begin <= size; ++begin) {
      for (int64_t end = begin; end <= size; ++end) {
        const Elements expected(all.lower_bound(begin), all.lower_bound(end));
        const auto boxes = LocalBoxes(parameter, {.offset = begin, .extent = end - begin});
        ASSERT_EQ(ByBoxes(parameter, boxes), expected)
            << parameter.name << " [" << begin << ", " << end << ")";
      }
    }
  }
}

TEST(LocalBoxes, OfAWholeParameterAreOneAndOfARangeOfAMatrixThree) {
  Parameter matrix;
  matrix.name = "matrix";
  matrix.shape = {7, 5};
  EXPECT_EQ(LocalBoxes(matrix).size(), 1u);
  const auto boxes = LocalBoxes(matrix, {.offset = 3, .extent = 20});
  ASSERT_EQ(boxes.size(), 3u);
  EXPECT_EQ(boxes[1].global_offset, Shape({1, 0}));
  EXPECT_EQ(boxes[1].extent, Shape({3, 5}));
}

TEST(LocalBoxes, RangeBeyondTheTensorIsRefused) {
  EXPECT_THROW(LocalBoxes(Columns(), {.offset = 10, .extent = 6}), Error);
}

TEST(CountedRanges, AreOwnedElementsInAsFewRangesAsCanBe) {
  const auto expect = [](const Parameter& parameter, const FlatRange& range) {
    std::vector<FlatRange> expected;
    for (const auto& [local, element] : ByDefinition(parameter)) {
      if (!element.is_owner || local < range.offset || local >= range.offset + range.extent)
        continue;
      if (expected.empty() || expected.back().offset + expected.back().extent != local)
        expected.push_back({.offset = local, .extent = 0});
      ++expected.back().extent;
    }
    const std::vector<FlatRange> counted = CountedRanges(parameter, range);
    ASSERT_EQ(counted.size(), expected.size()) << parameter.name;
    for (size_t i = 0; i < counted.size(); ++i) {
      EXPECT_EQ(counted[i].offset, expected[i].offset) << parameter.name;
      EXPECT_EQ(counted[i].extent, expected[i].extent) << parameter.name;
    }
  };
  for (const Parameter& parameter : {RowBlocks(), Columns(), PaddedColumns(), Cube()}) {
    expect(parameter, {.offset = 0, .extent = parameter.local_shape.num_elements()});
    expect(parameter, {.offset = 2, .extent = 8});
  }
}

TEST(CountedRanges, AreNoneOfALaterHolder) {
  Parameter parameter = Columns();
  parameter.is_first_holder = false;
  EXPECT_TRUE(CountedRanges(parameter, {.offset = 0, .extent = 15}).empty());
}

}  // namespace
}  // namespace cadmus
