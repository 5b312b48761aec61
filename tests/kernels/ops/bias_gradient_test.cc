// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/bias_gradient.h"

#include "tests/kernels/ops/any_threads.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

template <class R>
std::vector<R> PlainSum(const std::vector<R>& dy, int64_t width) {
  std::vector<R> sum(static_cast<size_t>(width), 0);
  for (size_t i = 0; i < dy.size(); ++i) sum[i % sum.size()] += dy[i];
  return sum;
}

// Accumulates into `old` if it is given.
template <class T>
std::vector<T> RunBiasGradient(const OpBench& bench, int64_t tokens, int64_t width,
                               const std::vector<T>& dy, const std::vector<T>& old = {}) {
  GuardedTensor<T> dy_TN(bench, {tokens, width}, dy), dbias_N(bench, {width});
  GuardedTensor<uint8_t> workspace(bench, {BiasGradientWorkspaceBytes(tokens, width, DTypeOf<T>)});
  if (!old.empty()) dbias_N.Set(old);
  BiasGradient({.dy_TN = dy_TN,
                .dbias_N = dbias_N,
                .mode = old.empty() ? GradMode::kOverwrite : GradMode::kAccumulate,
                .workspace = workspace},
               *bench.stream);
  return dbias_N.Get();
}

template <class T>
class BiasGradientTyped : public ::testing::Test {
 protected:
  OpBench bench_;
};
using FloatTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(BiasGradientTyped, FloatTypes);

constexpr int64_t kShapes[][2] = {{0, 5},  {5, 0},   {1, 1},    {2, 3},
                                  {17, 7}, {37, 64}, {5, 4099}, {8209, 13}};

TYPED_TEST(BiasGradientTyped, SumsTheRowsAndAccumulates) {
  using T = TypeParam;
  for (const auto& [tokens, width] : kShapes) {
    const std::string what = StrCat("[", tokens, ", ", width, "]");
    const auto dy = RandomValues<T>(tokens * width, "dy");
    const auto result = RunBiasGradient<T>(this->bench_, tokens, width, dy);
    ExpectAsGoodAsPlain(result, PlainSum(dy, width), PlainSum(Converted<Wider<T>>(dy), width),
                        what);
    if (width == 0) continue;
    auto sum = RandomValues<T>(width, "old");
    const auto accumulated = RunBiasGradient<T>(this->bench_, tokens, width, dy, sum);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += result[i];
    EXPECT_TRUE(BitEqual(accumulated, sum)) << what;
  }
}

TYPED_TEST(BiasGradientTyped, BitsDoNotDependOnTheNumberOfThreads) {
  using T = TypeParam;
  const auto dy = RandomValues<T>(8209 * 29, "dy");
  ExpectSameBitsForAnyThreads(
      [&](const OpBench& bench) { return RunBiasGradient<T>(bench, 8209, 29, dy); });
}

TEST(BiasGradient, ErrorsNameOpAndArgument) {
  const OpBench bench;
  GuardedTensor<float> dy_TN(bench, {2, 3}), dbias_N(bench, {3}), short_N(bench, {2});
  GuardedTensor<uint8_t> workspace(bench, {4});
  BiasGradientArgs args = {.dy_TN = dy_TN, .dbias_N = short_N, .workspace = workspace};
  EXPECT_THAT(ErrorOf([&] { BiasGradient(args, *bench.stream); }),
              AllOf(HasSubstr("BiasGradient"), HasSubstr("dbias "), HasSubstr("N = 3")));
  args.dbias_N = dbias_N;
  EXPECT_THAT(ErrorOf([&] { BiasGradient(args, *bench.stream); }),
              AllOf(HasSubstr("BiasGradient"), HasSubstr("BiasGradientWorkspaceBytes")));
}

}  // namespace
}  // namespace cadmus
