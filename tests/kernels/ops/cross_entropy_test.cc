// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/cross_entropy.h"

#include "tests/kernels/ops/any_threads.h"
#include "tests/kernels/ops/scalars_block.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr double kLossScale = 1.0 / 37;

template <class R>
struct LossAndGradient {
  std::vector<R> loss, gradient;
};

// The formula of the header with the maximum subtracted, straight, in R.
template <class R>
LossAndGradient<R> Plain(const std::vector<R>& logits, const std::vector<int32_t>& labels) {
  const size_t vocabulary = logits.size() / std::max<size_t>(1, labels.size());
  LossAndGradient<R> out{{}, std::vector<R>(logits.size(), 0)};
  for (size_t t = 0; t < labels.size(); ++t) {
    const R* const row = logits.data() + t * vocabulary;
    if (labels[t] < 0) {
      out.loss.push_back(0);
      continue;
    }
    const auto label = static_cast<size_t>(labels[t]);
    const R maximum = *std::max_element(row, row + vocabulary);
    R sum = 0;
    for (size_t v = 0; v < vocabulary; ++v) sum += std::exp(row[v] - maximum);
    out.loss.push_back(maximum + std::log(sum) - row[label]);
    for (size_t v = 0; v < vocabulary; ++v) {
      const R probability = std::exp(row[v] - maximum) / sum;
      out.gradient[t * vocabulary + v] =
          (probability - (v == label ? 1 : 0)) * static_cast<R>(kLossScale);
    }
  }
  return out;
}

// With kNone, `gradient` is what the logits are afterwards.
template <class T>
LossAndGradient<T> RunCrossEntropy(const OpBench& bench, const std::vector<T>& logits,
                                   const std::vector<int32_t>& labels,
                                   LogitGradient gradient = LogitGradient::kWriteOverLogits) {
  const auto tokens = static_cast<int64_t>(labels.size());
  const int64_t vocabulary = tokens == 0 ? 3 : static_cast<int64_t>(logits.size()) / tokens;
  GuardedTensor<T> logits_TV(bench, {tokens, vocabulary}, logits);
  GuardedTensor<int32_t> labels_T(bench, {tokens}, labels);
  GuardedTensor<T> loss_T(bench, {tokens});
  ScalarsBlock scalars(bench, {.loss_scale = kLossScale});
  CrossEntropyArgs args = {
      .logits_TV = logits_TV, .labels_T = labels_T, .loss_T = loss_T, .gradient = gradient};
  if (gradient == LogitGradient::kWriteOverLogits) args.scalars = scalars.view();
  CrossEntropy(args, *bench.stream);
  return {loss_T.Get(), logits_TV.Get()};
}

// Every fifth token is not supervised.
std::vector<int32_t> Labels(int64_t tokens, int64_t vocabulary) {
  std::vector<int32_t> labels;
  for (int64_t t = 0; t < tokens; ++t) {
    labels.push_back(t % 5 == 3 ? -100 : static_cast<int32_t>((17 * t + 1) % vocabulary));
  }
  return labels;
}

template <class T>
class CrossEntropyTyped : public ::testing::Test {
 protected:
  OpBench bench_;
};
using FloatTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(CrossEntropyTyped, FloatTypes);

TYPED_TEST(CrossEntropyTyped, LossAndGradientMatchTheFormula) {
  using T = TypeParam;
  constexpr int64_t kShapes[][2] = {{0, 3},  {1, 1},     {2, 2},    {7, 5},
                                    {5, 97}, {11, 1024}, {3, 32003}};
  for (const auto& [tokens, vocabulary] : kShapes) {
    const std::string what = StrCat("[", tokens, ", ", vocabulary, "]");
    const auto logits = RandomValues<T>(tokens * vocabulary, "logits", 8);
    const auto labels = Labels(tokens, vocabulary);
    const auto result = RunCrossEntropy<T>(this->bench_, logits, labels);
    const auto plain = Plain<T>(logits, labels);
    const auto exact = Plain(Converted<Wider<T>>(logits), labels);
    ExpectAsGoodAsPlain(result.loss, plain.loss, exact.loss, what + " loss");
    ExpectAsGoodAsPlain(result.gradient, plain.gradient, exact.gradient, what + " gradient");
  }
}

TYPED_TEST(CrossEntropyTyped, LargeLogitsKeepTheirPrecision) {
  using T = TypeParam;
  auto logits = RandomValues<T>(3 * 50, "logits", 4);
  for (size_t i = 0; i < 150; ++i) logits[i] += i < 50 ? 30000 : i < 100 ? -30000 : 0;
  const std::vector<int32_t> labels = {4, 49, 0};
  const auto result = RunCrossEntropy<T>(this->bench_, logits, labels);
  const auto exact = Plain(Converted<Wider<T>>(logits), labels);
  const double rounding = std::numeric_limits<T>::epsilon();
  EXPECT_LE(MaxError(result.loss, exact.loss), 8 * rounding);
  EXPECT_LE(MaxError(result.gradient, exact.gradient), 8 * rounding * kLossScale);
}

TYPED_TEST(CrossEntropyTyped, ATokenThatIsNotSupervisedHasNoLossAndNoGradient) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const auto result = RunCrossEntropy<T>(this->bench_, {nan, 1, 2, 3, 4, 5}, {-1, 1});
  EXPECT_EQ(result.loss[0], 0);
  EXPECT_TRUE(std::isfinite(result.loss[1]));
  for (size_t v = 0; v < 3; ++v) EXPECT_EQ(result.gradient[v], 0);
}

TYPED_TEST(CrossEntropyTyped, WithoutGradientTheLogitsStay) {
  using T = TypeParam;
  const auto logits = RandomValues<T>(6 * 41, "logits", 8);
  const auto labels = Labels(6, 41);
  const auto result = RunCrossEntropy<T>(this->bench_, logits, labels, LogitGradient::kNone);
  EXPECT_TRUE(BitEqual(result.gradient, logits));
  EXPECT_TRUE(BitEqual(result.loss, RunCrossEntropy<T>(this->bench_, logits, labels).loss));
}

TYPED_TEST(CrossEntropyTyped, NaNAndInfinityShowInTheLossOfTheirRowOnly) {
  using T = TypeParam;
  const T infinity = std::numeric_limits<T>::infinity();
  for (const T bad : {std::numeric_limits<T>::quiet_NaN(), infinity}) {
    for (const size_t place : {0, 16, 39, 79}) {
      std::vector<T> logits(160, 1);
      logits[80 + place] = bad;
      const auto result = RunCrossEntropy<T>(this->bench_, logits, {0, 2});
      EXPECT_TRUE(std::isfinite(result.loss[0]));
      EXPECT_TRUE(std::isnan(result.loss[1])) << place;
      EXPECT_TRUE(std::isfinite(result.gradient[place]));
      EXPECT_TRUE(std::isnan(result.gradient[80 + place]));
    }
  }
  const auto masked = RunCrossEntropy<T>(this->bench_, {-infinity, 3, -infinity}, {1});
  EXPECT_EQ(masked.loss[0], 0);
  for (size_t v = 0; v < 3; ++v) EXPECT_EQ(masked.gradient[v], 0);
}

TEST(CrossEntropy, GradientMatchesFiniteDifferences) {
  const OpBench bench;
  const auto logits = RandomValues<double>(4 * 7, "logits", 2);
  const std::vector<int32_t> labels = {0, -1, 6, 3};
  const auto result = RunCrossEntropy<double>(bench, logits, labels);
  const auto expected = FiniteDifferences(logits, [&](const std::vector<double>& at) {
    const auto loss = RunCrossEntropy<double>(bench, at, labels, LogitGradient::kNone).loss;
    return std::accumulate(loss.begin(), loss.end(), 0.0) * kLossScale;
  });
  EXPECT_LE(MaxError(result.gradient, expected), 1e-9);
}

TYPED_TEST(CrossEntropyTyped, BitsDoNotDependOnTheNumberOfThreads) {
  using T = TypeParam;
  const auto logits = RandomValues<T>(101 * 997, "logits", 8);
  const auto labels = Labels(101, 997);
  ExpectSameBitsForAnyThreads([&](const OpBench& bench) {
    const auto result = RunCrossEntropy<T>(bench, logits, labels);
    auto all = result.loss;
    Append(all, result.gradient);
    return all;
  });
}

TEST(CrossEntropy, LabelBeyondTheVocabularyFailsBeforeAnythingIsWritten) {
  const OpBench bench;
  const std::vector<float> logits = {1, 2, 3, 4, 5, 6};
  GuardedTensor<float> logits_TV(bench, {2, 3}, logits);
  GuardedTensor<int32_t> labels_T(bench, {2}, {0, 3});
  GuardedTensor<float> loss_T(bench, {2});
  ScalarsBlock scalars(bench, {.loss_scale = 1});
  EXPECT_THAT(ErrorOf([&] {
                CrossEntropy({.logits_TV = logits_TV,
                              .labels_T = labels_T,
                              .scalars = scalars.view(),
                              .loss_T = loss_T},
                             *bench.stream);
              }),
              AllOf(HasSubstr("label 3"), HasSubstr("token 1"), HasSubstr("vocabulary of 3")));
  EXPECT_TRUE(BitEqual(logits_TV.Get(), logits));
}

TEST(CrossEntropy, ErrorsNameOpAndArgument) {
  const OpBench bench;
  GuardedTensor<float> logits_TV(bench, {2, 3}), loss_T(bench, {2}), short_loss(bench, {1});
  GuardedTensor<int32_t> labels_T(bench, {2}, {0, 1});
  EXPECT_THAT(ErrorOf([&] {
                CrossEntropy({.logits_TV = logits_TV, .labels_T = labels_T, .loss_T = short_loss},
                             *bench.stream);
              }),
              AllOf(HasSubstr("CrossEntropy"), HasSubstr("loss"), HasSubstr("T = 2")));
  EXPECT_THAT(ErrorOf([&] {
                CrossEntropy({.logits_TV = logits_TV, .labels_T = labels_T, .loss_T = loss_T},
                             *bench.stream);
              }),
              AllOf(HasSubstr("CrossEntropy"), HasSubstr("scalars"), HasSubstr("absent")));
}

}  // namespace
}  // namespace cadmus
