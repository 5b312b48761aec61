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

// What each of `num_ranks` ranks gets of the vocabulary: equal widths, padded behind the last.
struct Split {
  int64_t num_ranks, vocabulary;
  int64_t width() const { return (vocabulary + num_ranks - 1) / num_ranks; }
  VocabularyPart part(int64_t rank) const { return {rank * width(), vocabulary}; }
};

// A rank's logits [T, width] of whole ones [T, V]. The padding is NaN, to be seen if it is read.
template <class T>
std::vector<T> LocalLogits(const Split& split, int64_t rank, const std::vector<T>& logits) {
  std::vector<T> local;
  for (size_t row = 0; row < logits.size(); row += static_cast<size_t>(split.vocabulary)) {
    for (int64_t v = rank * split.width(); v < (rank + 1) * split.width(); ++v) {
      local.push_back(v < split.vocabulary ? logits[row + static_cast<size_t>(v)]
                                           : std::numeric_limits<T>::quiet_NaN());
    }
  }
  return local;
}

// The loss and the gradient over the whole vocabulary, put together from the parts. With kNone,
// `gradient` is what the logits are afterwards.
template <class T>
LossAndGradient<T> RunSplit(const OpBench& bench, const std::vector<T>& logits,
                            const std::vector<int32_t>& labels, int64_t num_ranks,
                            LogitGradient gradient = LogitGradient::kWriteOverLogits) {
  const bool writes = gradient == LogitGradient::kWriteOverLogits;
  const auto tokens = static_cast<int64_t>(labels.size());
  const int64_t vocabulary = tokens == 0 ? 3 : static_cast<int64_t>(logits.size()) / tokens;
  const Split split = {num_ranks, vocabulary};
  GuardedTensor<int32_t> labels_T(bench, {tokens}, labels);
  GuardedTensor<double> statistics(bench, {num_ranks, 3, tokens});
  for (int64_t rank = 0; rank < num_ranks; ++rank) {
    GuardedTensor<T> logits_TV(bench, {tokens, split.width()}, LocalLogits(split, rank, logits));
    LogitStatistics(
        {.logits_TV = logits_TV,
         .labels_T = labels_T,
         .part = split.part(rank),
         .statistics_3T = statistics.view().Slice(0, rank, rank + 1).Reshape({3, tokens})},
        *bench.stream);
  }
  ScalarsBlock scalars(bench, {.loss_scale = kLossScale});
  LossAndGradient<T> out{{}, std::vector<T>(logits.size())};
  for (int64_t rank = 0; rank < num_ranks; ++rank) {
    GuardedTensor<T> logits_TV(bench, {tokens, split.width()}, LocalLogits(split, rank, logits));
    GuardedTensor<T> loss_T(bench, {tokens});
    SplitCrossEntropy({.logits_TV = logits_TV,
                       .labels_T = labels_T,
                       .statistics_R3T = statistics,
                       .scalars = writes ? scalars.view() : ConstTensorView(),
                       .part = split.part(rank),
                       .loss_T = loss_T,
                       .gradient = gradient},
                      *bench.stream);
    const std::vector<T> loss = loss_T.Get();
    if (rank == 0) out.loss = loss;
    EXPECT_TRUE(BitEqual(loss, out.loss)) << "rank " << rank << " has another loss";
    const std::vector<T> after = logits_TV.Get();
    for (int64_t i = 0; i < tokens * split.width(); ++i) {
      const int64_t v = rank * split.width() + i % split.width();
      const T value = after[static_cast<size_t>(i)];
      if (v < vocabulary) {
        out.gradient[static_cast<size_t>(i / split.width() * vocabulary + v)] = value;
      } else if (writes) {
        EXPECT_EQ(value, 0) << "padding has a gradient";
      }
    }
  }
  return out;
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

TYPED_TEST(CrossEntropyTyped, WithoutGradientTheLogitsOfASplitVocabularyStay) {
  using T = TypeParam;
  const auto logits = RandomValues<T>(6 * 41, "logits", 8);
  const auto labels = Labels(6, 41);
  const auto result = RunSplit<T>(this->bench_, logits, labels, 3, LogitGradient::kNone);
  EXPECT_TRUE(BitEqual(result.gradient, logits));
  EXPECT_TRUE(BitEqual(result.loss, RunSplit<T>(this->bench_, logits, labels, 3).loss));
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

TYPED_TEST(CrossEntropyTyped, SplitVocabularyMatchesTheFormula) {
  using T = TypeParam;
  constexpr int64_t kShapes[][2] = {{0, 3}, {1, 1}, {2, 2}, {7, 5}, {5, 97}, {11, 1024}, {3, 4001}};
  for (const auto& [tokens, vocabulary] : kShapes) {
    const auto logits = RandomValues<T>(tokens * vocabulary, "logits", 8);
    const auto labels = Labels(tokens, vocabulary);
    const auto plain = Plain<T>(logits, labels);
    const auto exact = Plain(Converted<Wider<T>>(logits), labels);
    for (const int64_t num_ranks : {1, 2, 3, 4}) {
      const std::string what = StrCat("[", tokens, ", ", vocabulary, "] over ", num_ranks);
      const auto result = RunSplit<T>(this->bench_, logits, labels, num_ranks);
      ExpectAsGoodAsPlain(result.loss, plain.loss, exact.loss, what + " loss");
      ExpectAsGoodAsPlain(result.gradient, plain.gradient, exact.gradient, what + " gradient");
    }
  }
}

TYPED_TEST(CrossEntropyTyped, OnePartIsTheWholeBitForBit) {
  using T = TypeParam;
  const auto logits = RandomValues<T>(11 * 1023, "logits", 8);
  const auto labels = Labels(11, 1023);
  const auto whole = RunCrossEntropy<T>(this->bench_, logits, labels);
  const auto split = RunSplit<T>(this->bench_, logits, labels, 1);
  EXPECT_TRUE(BitEqual(split.loss, whole.loss));
  EXPECT_TRUE(BitEqual(split.gradient, whole.gradient));
}

TYPED_TEST(CrossEntropyTyped, LargeLogitsOfASplitVocabularyKeepTheirPrecision) {
  using T = TypeParam;
  auto logits = RandomValues<T>(4 * 50, "logits", 4);
  for (size_t i = 0; i < 150; ++i) logits[i] += i < 50 ? 30000 : i < 100 ? -30000 : 0;
  // One rank's logits so far above the others' that theirs vanish.
  for (size_t i = 150; i < 160; ++i) logits[i] += 30000;
  const std::vector<int32_t> labels = {4, 49, 0, 7};
  const auto exact = Plain(Converted<Wider<T>>(logits), labels);
  const double rounding = std::numeric_limits<T>::epsilon();
  for (const int64_t num_ranks : {2, 3, 4}) {
    const auto result = RunSplit<T>(this->bench_, logits, labels, num_ranks);
    EXPECT_LE(MaxError(result.loss, exact.loss), 8 * rounding);
    EXPECT_LE(MaxError(result.gradient, exact.gradient), 8 * rounding * kLossScale);
  }
}

TYPED_TEST(CrossEntropyTyped, SplitTokensThatAreNotSupervisedHaveNoLossAndNoGradient) {
  using T = TypeParam;
  const std::vector<T> logits(6, std::numeric_limits<T>::quiet_NaN());
  for (const int64_t num_ranks : {1, 2, 4}) {
    const auto result = RunSplit<T>(this->bench_, logits, {-100, -1}, num_ranks);
    EXPECT_EQ(result.loss, std::vector<T>(2, 0));
    EXPECT_EQ(result.gradient, std::vector<T>(6, 0));
  }
}

TYPED_TEST(CrossEntropyTyped, SplitVocabularyTreatsNaNAndInfinityAsTheWholeDoes) {
  using T = TypeParam;
  const T infinity = std::numeric_limits<T>::infinity();
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const auto expect_alike = [](const std::vector<T>& a, const std::vector<T>& b) {
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_TRUE(std::isnan(a[i]) ? std::isnan(b[i]) : a[i] == b[i])
          << a[i] << " and " << b[i] << " at " << i;
    }
  };
  const std::vector<std::vector<T>> rows = {
      {nan, 1, 1, 1, 1, 1, 1},
      {1, 1, 1, 1, 1, 1, infinity},
      {-infinity, -infinity, nan, 1, 1, 1, 1},
      {-infinity, -infinity, -infinity, -infinity, 3, -infinity, -infinity},
      {-infinity, -infinity, -infinity, 2, -infinity, -infinity, -infinity},  // the label's: -∞
      std::vector<T>(7, -infinity),
  };
  for (const std::vector<T>& row : rows) {
    std::vector<T> logits(7, 1);
    Append(logits, row);
    const auto whole = RunCrossEntropy<T>(this->bench_, logits, {0, 4});
    for (const int64_t num_ranks : {1, 2, 3, 4}) {
      const auto split = RunSplit<T>(this->bench_, logits, {0, 4}, num_ranks);
      EXPECT_TRUE(std::isfinite(split.loss[0]));
      expect_alike({whole.loss[1]}, {split.loss[1]});
      expect_alike({whole.gradient.begin() + 7, whole.gradient.end()},
                   {split.gradient.begin() + 7, split.gradient.end()});
    }
  }
}

TYPED_TEST(CrossEntropyTyped, BitsOfASplitVocabularyDoNotDependOnTheNumberOfThreads) {
  using T = TypeParam;
  const auto logits = RandomValues<T>(101 * 997, "logits", 8);
  const auto labels = Labels(101, 997);
  ExpectSameBitsForAnyThreads([&](const OpBench& bench) {
    const auto result = RunSplit<T>(bench, logits, labels, 3);
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
                bench.Synchronize();
              }),
              AllOf(HasSubstr("label 3"), HasSubstr("token 1"), HasSubstr("vocabulary of 3")));
  EXPECT_TRUE(BitEqual(logits_TV.Get(), logits));
}

TEST(CrossEntropy, LabelInThePaddingFailsBeforeAnythingIsWritten) {
  const OpBench bench;
  const VocabularyPart part = {.first = 3, .vocab_size = 5};  // two columns and one of padding
  const std::vector<float> logits = {1, 2, 3, 4, 5, 6};
  const std::vector<double> statistics = {1, 2, 3, 4, 5, 6};
  GuardedTensor<float> logits_TV(bench, {2, 3}, logits), loss_T(bench, {2});
  GuardedTensor<int32_t> labels_T(bench, {2}, {0, 5});
  GuardedTensor<double> statistics_R3T(bench, {1, 3, 2}, statistics);
  ScalarsBlock scalars(bench, {.loss_scale = 1});
  const auto named =
      AllOf(HasSubstr("label 5"), HasSubstr("token 1"), HasSubstr("vocabulary of 5"));
  EXPECT_THAT(ErrorOf([&] {
                LogitStatistics({.logits_TV = logits_TV,
                                 .labels_T = labels_T,
                                 .part = part,
                                 .statistics_3T = statistics_R3T.view().Reshape({3, 2})},
                                *bench.stream);
                bench.Synchronize();
              }),
              named);
  EXPECT_THAT(ErrorOf([&] {
                SplitCrossEntropy({.logits_TV = logits_TV,
                                   .labels_T = labels_T,
                                   .statistics_R3T = statistics_R3T,
                                   .scalars = scalars.view(),
                                   .part = part,
                                   .loss_T = loss_T},
                                  *bench.stream);
                bench.Synchronize();
              }),
              named);
  EXPECT_TRUE(BitEqual(logits_TV.Get(), logits));
  EXPECT_TRUE(BitEqual(statistics_R3T.Get(), statistics));
}

TEST(CrossEntropy, ErrorsOfSplitVocabulariesNameOpAndArgument) {
  const OpBench bench;
  GuardedTensor<float> logits_TV(bench, {2, 3}), loss_T(bench, {2}), narrow(bench, {3, 2});
  GuardedTensor<int32_t> labels_T(bench, {2}, {0, 1});
  GuardedTensor<double> statistics(bench, {3, 2}), of_two_rows(bench, {4, 2, 2});
  ScalarsBlock scalars(bench, {.loss_scale = 1});
  LogitStatisticsArgs local = {.logits_TV = logits_TV,
                               .labels_T = labels_T,
                               .part = {.first = 0, .vocab_size = 3},
                               .statistics_3T = narrow};
  const auto error_of_local = [&] {
    return ErrorOf([&] { LogitStatistics(local, *bench.stream); });
  };
  EXPECT_THAT(error_of_local(), AllOf(HasSubstr("LogitStatistics"), HasSubstr("statistics"),
                                      HasSubstr("must be F64")));
  local.statistics_3T = statistics;
  local.part = {};
  EXPECT_THAT(error_of_local(), HasSubstr("a vocabulary that is not empty"));

  SplitCrossEntropyArgs merge = {.logits_TV = logits_TV,
                                 .labels_T = labels_T,
                                 .statistics_R3T = of_two_rows,
                                 .scalars = scalars.view(),
                                 .part = {.first = 0, .vocab_size = 3},
                                 .loss_T = loss_T};
  const auto error_of_merge = [&] {
    return ErrorOf([&] { SplitCrossEntropy(merge, *bench.stream); });
  };
  EXPECT_THAT(error_of_merge(),
              AllOf(HasSubstr("SplitCrossEntropy"), HasSubstr("statistics"), HasSubstr("N = 3")));
  merge.statistics_R3T = statistics.view().Reshape({1, 3, 2});
  merge.scalars = {};
  EXPECT_THAT(error_of_merge(), AllOf(HasSubstr("scalars"), HasSubstr("absent")));
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
