// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/box.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <random>
#include <vector>

namespace cadmus {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Random {
 public:
  // In [0, limit].
  int64_t UpTo(int64_t limit) {
    return static_cast<int64_t>(engine_() % static_cast<uint64_t>(limit + 1));
  }
  Shape ShapeOf(int num_dims, int64_t largest) {
    std::vector<int64_t> dims;
    for (int i = 0; i < num_dims; ++i) dims.push_back(UpTo(largest));
    return Shape(dims);
  }
  Box BoxOf(const Shape& shape) {
    Box box{.offset = shape, .extent = shape};
    for (int i = 0; i < shape.num_dims(); ++i) {
      box.offset[i] = UpTo(shape[i]);
      box.extent[i] = UpTo(shape[i] - box.offset[i]);
      if (UpTo(2) == 0) {
        box.offset[i] = 0;
        box.extent[i] = shape[i];
      }
    }
    return box;
  }

 private:
  std::mt19937_64 engine_{11};
};

// Where each element of a box lies in the global tensor, in the order of its storage.
std::vector<int64_t> GlobalElements(const Box& box, const Shape& shape) {
  std::vector<int64_t> elements;
  for (int64_t local = 0; local < box.num_elements(); ++local) {
    int64_t rest = local, global = 0, stride = 1;
    for (int dim = shape.num_dims() - 1; dim >= 0; --dim) {
      global += (box.offset[dim] + rest % box.extent[dim]) * stride;
      stride *= shape[dim];
      rest /= box.extent[dim];
    }
    elements.push_back(global);
  }
  return elements;
}

TEST(BoxRuns, VisitExactlyTheSharedElementsInOrder) {
  Random random;
  for (int i = 0; i < 3000; ++i) {
    const Shape shape = random.ShapeOf(i % 5, 6);
    const Box source = random.BoxOf(shape), destination = random.BoxOf(shape);
    const std::vector<int64_t> from = GlobalElements(source, shape);
    const std::vector<int64_t> to = GlobalElements(destination, shape);
    std::vector<int64_t> visited;
    for (BoxRuns runs(source, destination); !runs.done();) {
      // Sometimes a part of a run only.
      const int64_t count = 1 + random.UpTo(runs.num_elements() - 1);
      for (int64_t k = 0; k < count; ++k) {
        const int64_t global = from.at(static_cast<size_t>(runs.source_element() + k));
        ASSERT_EQ(global, to.at(static_cast<size_t>(runs.destination_element() + k)));
        visited.push_back(global);
      }
      runs.Advance(count);
    }
    std::vector<int64_t> shared;
    std::ranges::set_intersection(from, to, std::back_inserter(shared));
    ASSERT_EQ(visited, shared) << source.ToString() << " and " << destination.ToString();
  }
}

TEST(BoxRuns, ContiguousPartsAreOneRun) {
  const BoxRuns rows({.offset = {2, 0, 0}, .extent = {4, 5, 6}},
                     {.offset = {3, 0, 0}, .extent = {9, 5, 6}});
  EXPECT_EQ(rows.num_elements(), 3 * 5 * 6);
  EXPECT_EQ(rows.source_element(), 5 * 6);
  EXPECT_EQ(rows.destination_element(), 0);
}

TEST(CoverageProblem, AgreesWithCountingEveryElement) {
  Random random;
  int num_covered = 0;
  for (int i = 0; i < 5000; ++i) {
    const Shape shape = random.ShapeOf(i % 4, 3);
    std::vector<Box> boxes;
    for (int64_t n = random.UpTo(3); n >= 0; --n) boxes.push_back(random.BoxOf(shape));
    std::vector<int> held(static_cast<size_t>(shape.num_elements()));
    for (const Box& box : boxes) {
      for (const int64_t element : GlobalElements(box, shape)) ++held[static_cast<size_t>(element)];
    }
    const bool covered = std::ranges::all_of(held, [](int count) { return count == 1; });
    num_covered += covered;
    ASSERT_EQ(CoverageProblem(shape, boxes).empty(), covered) << shape.ToString();
  }
  EXPECT_GT(num_covered, 500);
  EXPECT_LT(num_covered, 4500);
}

TEST(CoverageProblem, NamesWhatOverlapsAndCountsWhatIsMissing) {
  const Box top{.offset = {0, 0}, .extent = {2, 3}}, bottom{.offset = {2, 0}, .extent = {2, 3}};
  EXPECT_THAT(CoverageProblem({4, 3}, std::vector{top, bottom}), IsEmpty());
  EXPECT_THAT(CoverageProblem({4, 3}, std::vector{bottom, top, top}),
              HasSubstr("[0:2, 0:3] and [0:2, 0:3] overlap"));
  EXPECT_THAT(CoverageProblem({4, 3}, std::vector{top}), HasSubstr("only 6 of its 12 elements"));
  EXPECT_THAT(CoverageProblem({}, std::vector<Box>(2)), HasSubstr("overlap"));
  EXPECT_THAT(CoverageProblem({}, {}), HasSubstr("only 0 of its 1"));
}

TEST(CoverageProblem, ManyRowShardsAreQuick) {
  constexpr int64_t kRanks = 100'000;
  std::vector<Box> boxes;
  for (int64_t rank = 0; rank < kRanks; ++rank) {
    boxes.push_back({.offset = {rank * 4, 0}, .extent = {4, 1024}});
  }
  EXPECT_THAT(CoverageProblem({kRanks * 4, 1024}, boxes), IsEmpty());
}

TEST(IsBoxOf, RefusesWhatLeavesTheTensorOrOverflows) {
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  const auto is_box = [](Shape offset, Shape extent, Shape shape) {
    return IsBoxOf({.offset = offset, .extent = extent}, shape, 4);
  };
  EXPECT_TRUE(is_box({}, {}, {}));
  EXPECT_TRUE(is_box({1, 2}, {2, 1}, {3, 3}));
  EXPECT_TRUE(is_box({3}, {0}, {3}));
  EXPECT_FALSE(is_box({1}, {3}, {3}));
  EXPECT_FALSE(is_box({4}, {0}, {3}));
  EXPECT_FALSE(is_box({-1}, {1}, {3}));
  EXPECT_FALSE(is_box({0}, {-1}, {3}));
  EXPECT_FALSE(is_box({0}, {0}, {-1}));
  EXPECT_FALSE(is_box({kHuge}, {kHuge}, {kHuge}));
  EXPECT_FALSE(is_box({0, 0}, {3}, {3}));
  EXPECT_FALSE(is_box({0, 0}, {1, 1}, {int64_t{1} << 31, int64_t{1} << 31}));
  EXPECT_FALSE(is_box({0, 0, 0}, {0, 1, 1}, {0, int64_t{1} << 31, int64_t{1} << 31}));
}

}  // namespace
}  // namespace cadmus
