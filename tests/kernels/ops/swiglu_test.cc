// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/swiglu.h"

#include "tests/kernels/ops/any_threads.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The formulas of the header, straight, in R.
template <class R>
std::vector<R> PlainForward(const std::vector<R>& gate_up, size_t width) {
  std::vector<R> y;
  for (size_t row = 0; row < gate_up.size(); row += 2 * width) {
    for (size_t i = 0; i < width; ++i) {
      const R gate = gate_up[row + i];
      y.push_back(gate / (1 + std::exp(-gate)) * gate_up[row + width + i]);
    }
  }
  return y;
}

template <class R>
std::vector<R> PlainBackward(const std::vector<R>& gate_up, const std::vector<R>& dy,
                             size_t width) {
  std::vector<R> dgate_up(gate_up.size());
  for (size_t row = 0; row < gate_up.size(); row += 2 * width) {
    for (size_t i = 0; i < width; ++i) {
      const R gate = gate_up[row + i];
      const R sigmoid = 1 / (1 + std::exp(-gate));
      const R gradient = dy[row / 2 + i];
      dgate_up[row + i] =
          gradient * gate_up[row + width + i] * sigmoid * (1 + gate * (1 - sigmoid));
      dgate_up[row + width + i] = gradient * gate * sigmoid;
    }
  }
  return dgate_up;
}

template <class T>
std::vector<T> RunForward(const OpBench& bench, int64_t width, const std::vector<T>& gate_up) {
  const int64_t tokens = static_cast<int64_t>(gate_up.size()) / (2 * width);
  GuardedTensor<T> gate_up_TG(bench, {tokens, 2 * width}, gate_up);
  GuardedTensor<T> y_TF(bench, {tokens, width});
  SwiGluForward({.gate_up_TG = gate_up_TG, .y_TF = y_TF}, *bench.stream);
  return y_TF.Get();
}

template <class T>
std::vector<T> RunBackward(const OpBench& bench, int64_t width, const std::vector<T>& gate_up,
                           const std::vector<T>& dy) {
  const int64_t tokens = static_cast<int64_t>(gate_up.size()) / (2 * width);
  GuardedTensor<T> gate_up_TG(bench, {tokens, 2 * width}, gate_up);
  GuardedTensor<T> dy_TF(bench, {tokens, width}, dy);
  GuardedTensor<T> dgate_up_TG(bench, {tokens, 2 * width});
  SwiGluBackward({.gate_up_TG = gate_up_TG, .dy_TF = dy_TF, .dgate_up_TG = dgate_up_TG},
                 *bench.stream);
  return dgate_up_TG.Get();
}

constexpr int64_t kShapes[][2] = {{0, 3}, {1, 1}, {2, 3}, {7, 31}, {5, 64}, {3, 20011}, {611, 97}};

template <class T>
class SwiGluTyped : public ::testing::Test {
 protected:
  OpBench bench_;
};
using FloatTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SwiGluTyped, FloatTypes);

TYPED_TEST(SwiGluTyped, MatchesTheFormulas) {
  using T = TypeParam;
  for (const auto& [tokens, width] : kShapes) {
    const std::string what = StrCat("[", tokens, ", ", width, "]");
    const auto gate_up = RandomValues<T>(2 * tokens * width, "gate_up", 6);
    const auto dy = RandomValues<T>(tokens * width, "dy");
    const auto columns = static_cast<size_t>(width);
    const auto exact_input = Converted<Wider<T>>(gate_up);
    ExpectAsGoodAsPlain(RunForward<T>(this->bench_, width, gate_up),
                        PlainForward<T>(gate_up, columns), PlainForward(exact_input, columns),
                        what + " y");
    ExpectAsGoodAsPlain(
        RunBackward<T>(this->bench_, width, gate_up, dy), PlainBackward<T>(gate_up, dy, columns),
        PlainBackward(exact_input, Converted<Wider<T>>(dy), columns), what + " dgate_up");
  }
}

TYPED_TEST(SwiGluTyped, SaturatesWithoutNaN) {
  using T = TypeParam;
  const T huge = 1e30F;
  const std::vector<T> gate_up = {huge, -huge, 0, 2, 2, 2};
  const auto y = RunForward<T>(this->bench_, 3, gate_up);
  EXPECT_EQ(y[0], 2 * huge);
  EXPECT_EQ(y[1], 0);
  EXPECT_EQ(y[2], 0);
  const auto gradient = RunBackward<T>(this->bench_, 3, gate_up, {1, 1, 1});
  EXPECT_EQ(gradient[0], 2);
  EXPECT_EQ(gradient[1], 0);
  EXPECT_EQ(gradient[2], 1);
  EXPECT_EQ(gradient[3], huge);
  EXPECT_EQ(gradient[4], 0);
}

TYPED_TEST(SwiGluTyped, ShowsNaN) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const auto y = RunForward<T>(this->bench_, 3, {nan, 1, 1, 1, nan, 1});
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_TRUE(std::isnan(y[1]));
  EXPECT_TRUE(std::isfinite(y[2]));
}

TYPED_TEST(SwiGluTyped, BackwardMayWriteOverGateUp) {
  using T = TypeParam;
  const int64_t tokens = 5, width = 77;
  const auto gate_up = RandomValues<T>(2 * tokens * width, "gate_up");
  const auto dy = RandomValues<T>(tokens * width, "dy");
  GuardedTensor<T> gate_up_TG(this->bench_, {tokens, 2 * width}, gate_up);
  GuardedTensor<T> dy_TF(this->bench_, {tokens, width}, dy);
  SwiGluBackward({.gate_up_TG = gate_up_TG, .dy_TF = dy_TF, .dgate_up_TG = gate_up_TG},
                 *this->bench_.stream);
  EXPECT_TRUE(BitEqual(gate_up_TG.Get(), RunBackward<T>(this->bench_, width, gate_up, dy)));
}

TEST(SwiGlu, BackwardMatchesFiniteDifferences) {
  const OpBench bench;
  const auto gate_up = RandomValues<double>(2 * 2 * 5, "gate_up", 2);
  const auto dy = RandomValues<double>(2 * 5, "dy");
  const auto expected = FiniteDifferences(gate_up, [&](const std::vector<double>& at) {
    const auto y = RunForward<double>(bench, 5, at);
    return std::inner_product(y.begin(), y.end(), dy.begin(), 0.0);
  });
  EXPECT_LE(MaxError(RunBackward<double>(bench, 5, gate_up, dy), expected), 1e-9);
}

TYPED_TEST(SwiGluTyped, BitsDoNotDependOnTheNumberOfThreads) {
  using T = TypeParam;
  const auto gate_up = RandomValues<T>(2 * 211 * 301, "gate_up", 4);
  const auto dy = RandomValues<T>(211 * 301, "dy");
  ExpectSameBitsForAnyThreads([&](const OpBench& bench) {
    auto all = RunForward<T>(bench, 301, gate_up);
    Append(all, RunBackward<T>(bench, 301, gate_up, dy));
    return all;
  });
}

TEST(SwiGlu, ErrorsNameOpAndArgument) {
  const OpBench bench;
  GuardedTensor<float> gate_up_TG(bench, {2, 6}), y_TF(bench, {2, 4}), short_y(bench, {1, 3});
  GuardedTensor<double> wide_y(bench, {2, 3});
  EXPECT_THAT(
      ErrorOf([&] { SwiGluForward({.gate_up_TG = gate_up_TG, .y_TF = y_TF}, *bench.stream); }),
      AllOf(HasSubstr("SwiGluForward"), HasSubstr("gate_up"), HasSubstr("twice F")));
  EXPECT_THAT(
      ErrorOf([&] { SwiGluForward({.gate_up_TG = gate_up_TG, .y_TF = wide_y}, *bench.stream); }),
      AllOf(HasSubstr("SwiGluForward"), HasSubstr("y F64"), HasSubstr("must be F32")));
  EXPECT_THAT(ErrorOf([&] {
                SwiGluBackward(
                    {.gate_up_TG = gate_up_TG, .dy_TF = short_y, .dgate_up_TG = gate_up_TG},
                    *bench.stream);
              }),
              AllOf(HasSubstr("SwiGluBackward"), HasSubstr("dy"), HasSubstr("T = 2")));
}

}  // namespace
}  // namespace cadmus
