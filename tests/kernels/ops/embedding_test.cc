// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/embedding.h"

#include "tests/kernels/ops/any_threads.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Size {
  int64_t tokens, vocabulary, width;
};

std::vector<int32_t> Tokens(const Size& size) {
  std::vector<int32_t> tokens;
  for (double u : RandomValues<double>(size.tokens, "tokens")) {
    tokens.push_back(static_cast<int32_t>((u + 1) / 2 * static_cast<double>(size.vocabulary)));
  }
  return tokens;
}

template <class T>
std::vector<T> RunForward(const OpBench& bench, const Size& size,
                          const std::vector<int32_t>& tokens, const std::vector<T>& table) {
  GuardedTensor<int32_t> tokens_T(bench, {size.tokens}, tokens);
  GuardedTensor<T> table_VD(bench, {size.vocabulary, size.width}, table);
  GuardedTensor<T> y_TD(bench, {size.tokens, size.width});
  EmbeddingForward({.tokens_T = tokens_T, .table_VD = table_VD, .y_TD = y_TD}, *bench.stream);
  return y_TD.Get();
}

// Accumulates into `old` if it is given.
template <class T>
std::vector<T> RunBackward(const OpBench& bench, const Size& size,
                           const std::vector<int32_t>& tokens, const std::vector<T>& dy,
                           const std::vector<T>& old = {}) {
  GuardedTensor<int32_t> tokens_T(bench, {size.tokens}, tokens);
  GuardedTensor<T> dy_TD(bench, {size.tokens, size.width}, dy);
  GuardedTensor<T> dtable_VD(bench, {size.vocabulary, size.width});
  if (!old.empty()) dtable_VD.Set(old);
  EmbeddingBackward({.tokens_T = tokens_T,
                     .dy_TD = dy_TD,
                     .dtable_VD = dtable_VD,
                     .mode = old.empty() ? GradMode::kOverwrite : GradMode::kAccumulate},
                    *bench.stream);
  return dtable_VD.Get();
}

// In the order of t, as the header promises: to be met bit for bit.
template <class T>
std::vector<T> PlainBackward(const Size& size, const std::vector<int32_t>& tokens,
                             const std::vector<T>& dy, std::vector<T> dtable) {
  const auto width = static_cast<size_t>(size.width);
  for (size_t t = 0; t < tokens.size(); ++t) {
    for (size_t d = 0; d < width; ++d) {
      dtable[static_cast<size_t>(tokens[t]) * width + d] += dy[t * width + d];
    }
  }
  return dtable;
}

// What each of `num_ranks` ranks holds of the table: equally many rows, padded behind the last.
struct Split {
  int64_t num_ranks;
  Size whole;
  Size local() const {
    return {whole.tokens, (whole.vocabulary + num_ranks - 1) / num_ranks, whole.width};
  }
  VocabularyPart part(int64_t rank) const { return {rank * local().vocabulary, whole.vocabulary}; }
};

// A rank's rows of a table, with `padding` in those that do not exist.
template <class T>
std::vector<T> LocalRows(const Split& split, int64_t rank, std::vector<T> table, T padding) {
  const int64_t size = split.local().vocabulary * split.whole.width;
  table.resize(static_cast<size_t>(size * split.num_ranks), padding);
  return {table.begin() + rank * size, table.begin() + (rank + 1) * size};
}

// The sum over the ranks of what each looks up.
template <class T>
std::vector<T> RunSplitForward(const OpBench& bench, const Split& split,
                               const std::vector<int32_t>& tokens, const std::vector<T>& table) {
  const auto [num_tokens, vocabulary, width] = split.local();
  std::vector<T> sum(static_cast<size_t>(num_tokens * width), 0);
  for (int64_t rank = 0; rank < split.num_ranks; ++rank) {
    GuardedTensor<int32_t> tokens_T(bench, {num_tokens}, tokens);
    GuardedTensor<T> table_VD(bench, {vocabulary, width},
                              LocalRows(split, rank, table, std::numeric_limits<T>::quiet_NaN()));
    GuardedTensor<T> y_TD(bench, {num_tokens, width});
    EmbeddingForward(
        {.tokens_T = tokens_T, .table_VD = table_VD, .part = split.part(rank), .y_TD = y_TD},
        *bench.stream);
    const std::vector<T> y = y_TD.Get();
    for (size_t i = 0; i < y.size(); ++i) sum[i] += y[i];
  }
  return sum;
}

// A rank's rows of the gradient; accumulates into its rows of `old` if that is given.
template <class T>
std::vector<T> RunSplitBackward(const OpBench& bench, const Split& split, int64_t rank,
                                const std::vector<int32_t>& tokens, const std::vector<T>& dy,
                                const std::vector<T>& old = {}) {
  const auto [num_tokens, vocabulary, width] = split.local();
  GuardedTensor<int32_t> tokens_T(bench, {num_tokens}, tokens);
  GuardedTensor<T> dy_TD(bench, {num_tokens, width}, dy);
  GuardedTensor<T> dtable_VD(bench, {vocabulary, width});
  if (!old.empty()) dtable_VD.Set(LocalRows(split, rank, old, T(5)));
  EmbeddingBackward({.tokens_T = tokens_T,
                     .dy_TD = dy_TD,
                     .dtable_VD = dtable_VD,
                     .part = split.part(rank),
                     .mode = old.empty() ? GradMode::kOverwrite : GradMode::kAccumulate},
                    *bench.stream);
  return dtable_VD.Get();
}

constexpr Size kSizes[] = {{0, 5, 3},   {1, 1, 1},    {3, 2, 0},       {7, 3, 5},
                           {5, 11, 64}, {301, 7, 67}, {1021, 501, 130}};

template <class T>
class EmbeddingTyped : public ::testing::Test {
 protected:
  OpBench bench_;
};
using FloatTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(EmbeddingTyped, FloatTypes);

TYPED_TEST(EmbeddingTyped, ForwardCopiesTheRowOfEachToken) {
  using T = TypeParam;
  for (const Size& size : kSizes) {
    const auto tokens = Tokens(size);
    const auto table = RandomValues<T>(size.vocabulary * size.width, "table");
    const auto y = RunForward<T>(this->bench_, size, tokens, table);
    const auto width = static_cast<size_t>(size.width);
    for (size_t t = 0; t < tokens.size(); ++t) {
      for (size_t d = 0; d < width; ++d) {
        ASSERT_EQ(y[t * width + d], table[static_cast<size_t>(tokens[t]) * width + d]);
      }
    }
  }
}

// As learned positions are looked up; of a part, too, and over the addend.
TYPED_TEST(EmbeddingTyped, ForwardAddsToTheAddendInItsPlaceOrAnother) {
  using T = TypeParam;
  for (const Size& size : kSizes) {
    const auto tokens = Tokens(size);
    const Split split = {2, size};
    const auto table = RandomValues<T>(size.vocabulary * size.width, "table");
    const auto add = RandomValues<T>(size.tokens * size.width, "add");
    for (const auto& part : {std::optional<VocabularyPart>(), std::optional(split.part(0))}) {
      GuardedTensor<int32_t> tokens_T(this->bench_, {size.tokens}, tokens);
      GuardedTensor<T> table_VD(this->bench_, {size.vocabulary, size.width}, table),
          part_VD(this->bench_, {split.local().vocabulary, size.width},
                  LocalRows(split, 0, table, T(0)));
      GuardedTensor<T> y_TD(this->bench_, {size.tokens, size.width}),
          add_TD(this->bench_, {size.tokens, size.width}, add);
      EmbeddingForwardArgs args = {
          .tokens_T = tokens_T, .table_VD = part ? part_VD : table_VD, .part = part, .y_TD = y_TD};
      EmbeddingForward(args, *this->bench_.stream);
      std::vector<T> expected = y_TD.Get();
      for (size_t i = 0; i < expected.size(); ++i) expected[i] += add[i];
      args.add_TD = add_TD;
      EmbeddingForward(args, *this->bench_.stream);
      EXPECT_TRUE(BitEqual(y_TD.Get(), expected));
      args.y_TD = add_TD;
      EmbeddingForward(args, *this->bench_.stream);
      EXPECT_TRUE(BitEqual(add_TD.Get(), expected));
    }
  }
}

TYPED_TEST(EmbeddingTyped, BackwardSumsInTokenOrderAndZeroesOtherRows) {
  using T = TypeParam;
  for (const Size& size : kSizes) {
    const auto tokens = Tokens(size);
    const auto dy = RandomValues<T>(size.tokens * size.width, "dy");
    const std::vector<T> zeros(static_cast<size_t>(size.vocabulary * size.width), 0);
    EXPECT_TRUE(BitEqual(RunBackward<T>(this->bench_, size, tokens, dy),
                         PlainBackward<T>(size, tokens, dy, zeros)));
  }
}

TYPED_TEST(EmbeddingTyped, BackwardAccumulatesIntoTheTable) {
  using T = TypeParam;
  for (const Size& size : kSizes) {
    const auto tokens = Tokens(size);
    const auto dy = RandomValues<T>(size.tokens * size.width, "dy");
    const auto old = RandomValues<T>(size.vocabulary * size.width, "old");
    if (old.empty()) continue;
    EXPECT_TRUE(BitEqual(RunBackward<T>(this->bench_, size, tokens, dy, old),
                         PlainBackward<T>(size, tokens, dy, old)));
  }
}

TYPED_TEST(EmbeddingTyped, PartsOfTheTableAddUpToTheWholeBitForBit) {
  using T = TypeParam;
  for (const Size& size : kSizes) {
    const auto tokens = Tokens(size);
    const auto table = RandomValues<T>(size.vocabulary * size.width, "table");
    const auto y = RunForward<T>(this->bench_, size, tokens, table);
    for (const int64_t num_ranks : {1, 2, 3, 4}) {
      EXPECT_TRUE(BitEqual(RunSplitForward<T>(this->bench_, {num_ranks, size}, tokens, table), y))
          << size.vocabulary << " rows over " << num_ranks;
    }
  }
}

TYPED_TEST(EmbeddingTyped, GradientOfAPartIsThatOfItsRowsBitForBit) {
  using T = TypeParam;
  for (const Size& size : kSizes) {
    const auto tokens = Tokens(size);
    const auto dy = RandomValues<T>(size.tokens * size.width, "dy");
    const auto old = RandomValues<T>(size.vocabulary * size.width, "old");
    if (old.empty()) continue;
    const auto overwritten = RunBackward<T>(this->bench_, size, tokens, dy);
    const auto accumulated = RunBackward<T>(this->bench_, size, tokens, dy, old);
    for (const int64_t num_ranks : {1, 2, 3, 4}) {
      const Split split = {num_ranks, size};
      for (int64_t rank = 0; rank < num_ranks; ++rank) {
        EXPECT_TRUE(BitEqual(RunSplitBackward<T>(this->bench_, split, rank, tokens, dy),
                             LocalRows(split, rank, overwritten, T(0))));
        EXPECT_TRUE(BitEqual(RunSplitBackward<T>(this->bench_, split, rank, tokens, dy, old),
                             LocalRows(split, rank, accumulated, T(5))));
      }
    }
  }
}

TEST(Embedding, BackwardMatchesFiniteDifferences) {
  const OpBench bench;
  const Size size = {5, 3, 2};
  const auto tokens = Tokens(size);
  const auto table = RandomValues<double>(6, "table");
  const auto dy = RandomValues<double>(10, "dy");
  const auto expected = FiniteDifferences(table, [&](const std::vector<double>& at) {
    const auto y = RunForward<double>(bench, size, tokens, at);
    return std::inner_product(y.begin(), y.end(), dy.begin(), 0.0);
  });
  EXPECT_LE(MaxError(RunBackward<double>(bench, size, tokens, dy), expected), 1e-9);
}

TYPED_TEST(EmbeddingTyped, BitsDoNotDependOnTheNumberOfThreads) {
  using T = TypeParam;
  const Size size = {2003, 97, 333};
  const auto tokens = Tokens(size);
  const auto dy = RandomValues<T>(size.tokens * size.width, "dy");
  const auto table = RandomValues<T>(size.vocabulary * size.width, "table");
  ExpectSameBitsForAnyThreads([&](const OpBench& bench) {
    auto all = RunForward<T>(bench, size, tokens, table);
    Append(all, RunBackward<T>(bench, size, tokens, dy));
    Append(all, RunSplitForward<T>(bench, {3, size}, tokens, table));
    Append(all, RunSplitBackward<T>(bench, {3, size}, 2, tokens, dy));
    return all;
  });
}

TEST(Embedding, TokenOutsideTheVocabularyFailsBeforeAnythingIsWritten) {
  const OpBench bench;
  for (const int32_t bad : {3, -1}) {
    GuardedTensor<int32_t> tokens_T(bench, {2}, {0, bad});
    const std::vector<float> old = {1, 2, 3, 4, 5, 6};
    GuardedTensor<float> table_VD(bench, {3, 2}, old);
    GuardedTensor<float> y_TD(bench, {2, 2}, {1, 2, 3, 4});
    const auto named =
        AllOf(HasSubstr(StrCat("token ", bad)), HasSubstr("at 1"), HasSubstr("[0, 3)"));
    EXPECT_THAT(ErrorOf([&] {
                  EmbeddingForward({.tokens_T = tokens_T, .table_VD = table_VD, .y_TD = y_TD},
                                   *bench.stream);
                  bench.Synchronize();
                }),
                named);
    EXPECT_THAT(ErrorOf([&] {
                  EmbeddingBackward({.tokens_T = tokens_T, .dy_TD = y_TD, .dtable_VD = table_VD},
                                    *bench.stream);
                  bench.Synchronize();
                }),
                named);
    EXPECT_TRUE(BitEqual(table_VD.Get(), old));
    EXPECT_TRUE(BitEqual(y_TD.Get(), {1, 2, 3, 4}));
  }
}

TEST(Embedding, TokenInThePaddingFailsBeforeAnythingIsWritten) {
  const OpBench bench;
  const VocabularyPart part = {.first = 3, .vocab_size = 5};  // two rows and one of padding
  GuardedTensor<int32_t> tokens_T(bench, {2}, {0, 5});
  const std::vector<float> old = {1, 2, 3, 4, 5, 6};
  GuardedTensor<float> table_VD(bench, {3, 2}, old), y_TD(bench, {2, 2}, {1, 2, 3, 4});
  const auto named = AllOf(HasSubstr("token 5"), HasSubstr("at 1"), HasSubstr("[0, 5)"));
  EXPECT_THAT(ErrorOf([&] {
                EmbeddingForward(
                    {.tokens_T = tokens_T, .table_VD = table_VD, .part = part, .y_TD = y_TD},
                    *bench.stream);
                bench.Synchronize();
              }),
              named);
  EXPECT_THAT(ErrorOf([&] {
                EmbeddingBackward(
                    {.tokens_T = tokens_T, .dy_TD = y_TD, .dtable_VD = table_VD, .part = part},
                    *bench.stream);
                bench.Synchronize();
              }),
              named);
  EXPECT_TRUE(BitEqual(table_VD.Get(), old));
  EXPECT_TRUE(BitEqual(y_TD.Get(), {1, 2, 3, 4}));
}

TEST(Embedding, ErrorsNameOpAndArgument) {
  const OpBench bench;
  GuardedTensor<int32_t> tokens_T(bench, {2}, {0, 1});
  GuardedTensor<int64_t> wide_tokens(bench, {2}, {0, 1});
  GuardedTensor<float> table_VD(bench, {3, 2}), y_TD(bench, {2, 3}), good_y(bench, {2, 2});
  GuardedTensor<double> wide_table(bench, {3, 2});
  EXPECT_THAT(ErrorOf([&] {
                EmbeddingForward({.tokens_T = tokens_T, .table_VD = table_VD, .y_TD = y_TD},
                                 *bench.stream);
              }),
              AllOf(HasSubstr("EmbeddingForward"), HasSubstr("y "), HasSubstr("D = 2")));
  EXPECT_THAT(ErrorOf([&] {
                EmbeddingForward({.tokens_T = wide_tokens, .table_VD = table_VD, .y_TD = good_y},
                                 *bench.stream);
              }),
              AllOf(HasSubstr("tokens I64"), HasSubstr("must be I32")));
  EXPECT_THAT(ErrorOf([&] {
                EmbeddingBackward({.tokens_T = tokens_T, .dy_TD = good_y, .dtable_VD = wide_table},
                                  *bench.stream);
              }),
              AllOf(HasSubstr("EmbeddingBackward"), HasSubstr("dtable"), HasSubstr("must be F32")));
  EXPECT_THAT(ErrorOf([&] {
                EmbeddingForward({.tokens_T = tokens_T,
                                  .table_VD = table_VD,
                                  .part = VocabularyPart{.first = -1, .vocab_size = 3},
                                  .y_TD = good_y},
                                 *bench.stream);
              }),
              AllOf(HasSubstr("EmbeddingForward"), HasSubstr("starts at or after row 0")));
}

}  // namespace
}  // namespace cadmus
