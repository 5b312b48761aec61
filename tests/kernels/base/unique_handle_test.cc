// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/unique_handle.h"

#include <gtest/gtest.h>

#include <type_traits>
#include <vector>

namespace cadmus {
namespace {

struct CountingTraits {
  using Handle = int;
  static constexpr int kEmpty = -1;
  static inline std::vector<int> closed;
  static void Close(int handle) noexcept { closed.push_back(handle); }
};
using Handle = UniqueHandle<CountingTraits>;

class UniqueHandleTest : public ::testing::Test {
 protected:
  UniqueHandleTest() { CountingTraits::closed.clear(); }
  const std::vector<int>& closed() { return CountingTraits::closed; }
};

TEST_F(UniqueHandleTest, ClosesOnceAtItsEnd) {
  {
    Handle empty;
    Handle a(7);
    EXPECT_TRUE(a);
    EXPECT_FALSE(empty);
    EXPECT_EQ(a.get(), 7);
  }
  EXPECT_EQ(closed(), std::vector<int>{7});
}

TEST_F(UniqueHandleTest, AMoveLeavesItEmpty) {
  static_assert(!std::is_copy_constructible_v<Handle>);
  static_assert(std::is_nothrow_move_constructible_v<Handle>);
  {
    Handle a(1);
    Handle b(std::move(a));
    EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move)
    Handle c(2);
    c = std::move(b);
    EXPECT_EQ(closed(), std::vector<int>{2});
    Handle& same = c;
    c = std::move(same);
    EXPECT_EQ(c.get(), 1);
  }
  EXPECT_EQ(closed(), (std::vector<int>{2, 1}));
}

TEST_F(UniqueHandleTest, ReleaseGivesItUpAndResetClosesNow) {
  Handle a(1);
  EXPECT_EQ(a.release(), 1);
  a.reset();
  EXPECT_TRUE(closed().empty());
  Handle b(2);
  b.reset();
  b.reset();
  EXPECT_EQ(closed(), std::vector<int>{2});
}

}  // namespace
}  // namespace cadmus
