// SPDX-License-Identifier: Apache-2.0
// HeadNorm is held against RmsNorm, whose own test holds it against the formula: the heads are its
// rows, bit for bit.
#include "kernels/ops/head_norm.h"

#include "kernels/ops/rms_norm.h"
#include "tests/kernels/ops/any_threads.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr double kEpsilon = 0.1;  // large: its absence would be seen

struct Size {
  int64_t tokens, heads, head_dim;
  int64_t num_rows() const { return tokens * heads; }
  int64_t num_elements() const { return num_rows() * head_dim; }
};

template <class T>
struct Results {
  std::vector<T> y, rstd, dx, dweight;
  std::vector<T> All() const {
    std::vector<T> all = y;
    for (const auto* part : {&rstd, &dx, &dweight}) Append(all, *part);
    return all;
  }
};

template <class T>
struct Inputs {
  std::vector<T> x, weight, dy;
  std::vector<T> old_dweight = {};  // given: the gradient accumulates
  GradMode mode() const {
    return old_dweight.empty() ? GradMode::kOverwrite : GradMode::kAccumulate;
  }
};

template <class T>
Inputs<T> RandomInputs(const Size& size) {
  return {.x = RandomValues<T>(size.num_elements(), "x", 3),
          .weight = RandomValues<T>(size.head_dim, "w"),
          .dy = RandomValues<T>(size.num_elements(), "dy")};
}

template <class T>
Results<T> RunRmsNorm(const OpBench& bench, const Size& size, const Inputs<T>& in) {
  const Shape shape = {size.num_rows(), size.head_dim};
  GuardedTensor<T> x_TD(bench, shape, in.x), dy_TD(bench, shape, in.dy), y_TD(bench, shape),
      ds_TD(bench, shape), weight_D(bench, {size.head_dim}, in.weight),
      dweight_D(bench, {size.head_dim}), rstd_T(bench, {size.num_rows()});
  GuardedTensor<uint8_t> workspace(
      bench, {RmsNormBackwardWorkspaceBytes(size.num_rows(), size.head_dim, DTypeOf<T>)});
  if (!in.old_dweight.empty()) dweight_D.Set(in.old_dweight);
  RmsNormForward(
      {.x_TD = x_TD, .weight_D = weight_D, .epsilon = kEpsilon, .y_TD = y_TD, .rstd_T = rstd_T},
      *bench.stream);
  RmsNormBackward({.s_TD = x_TD,
                   .weight_D = weight_D,
                   .rstd_T = rstd_T,
                   .dy_TD = dy_TD,
                   .ds_TD = ds_TD,
                   .dweight_D = dweight_D,
                   .dweight_mode = in.mode(),
                   .workspace = workspace},
                  *bench.stream);
  return {y_TD.Get(), rstd_T.Get(), ds_TD.Get(), dweight_D.Get()};
}

enum class Place { kApart, kInPlace };

// `first` heads lie in front of, and two behind, those of the op in every tensor. In place: y over
// x in the forward pass, for which x is then set again; dx over dy.
template <class T>
Results<T> RunHeadNorm(const OpBench& bench, const Size& size, const Inputs<T>& in,
                       int64_t first = 1, Place place = Place::kApart) {
  const int64_t all_heads = first + size.heads + 2;
  const Shape shape = {size.tokens, all_heads, size.head_dim};
  const T outside = 7;
  const auto spread = [&](const std::vector<T>& heads) {
    std::vector<T> fused(static_cast<size_t>(shape.num_elements()), outside);
    const int64_t row = size.heads * size.head_dim;
    for (int64_t t = 0; t < size.tokens; ++t) {
      std::copy_n(heads.begin() + t * row, row,
                  fused.begin() + (t * all_heads + first) * size.head_dim);
    }
    return fused;
  };
  const auto gather = [&](const std::vector<T>& fused) {
    std::vector<T> heads;
    for (int64_t i = 0; i < static_cast<int64_t>(fused.size()); ++i) {
      const int64_t head = i / size.head_dim % all_heads - first;
      if (head >= 0 && head < size.heads) {
        heads.push_back(fused[static_cast<size_t>(i)]);
      } else {
        EXPECT_EQ(fused[static_cast<size_t>(i)], outside);
      }
    }
    return heads;
  };
  const std::vector<T> empty = spread(std::vector<T>(static_cast<size_t>(size.num_elements()),
                                                     std::numeric_limits<T>::quiet_NaN()));
  GuardedTensor<T> x(bench, shape, spread(in.x)), dy(bench, shape, spread(in.dy)),
      y(bench, shape, empty), dx(bench, shape, empty), weight_D(bench, {size.head_dim}, in.weight),
      dweight_D(bench, {size.head_dim}), rstd_TH(bench, {size.tokens, size.heads});
  GuardedTensor<uint8_t> workspace(
      bench, {HeadNormBackwardWorkspaceBytes(size.tokens, size.heads, size.head_dim, DTypeOf<T>)});
  if (!in.old_dweight.empty()) dweight_D.Set(in.old_dweight);
  const auto heads_of = [&](const GuardedTensor<T>& fused) {
    return fused.view().Slice(1, first, first + size.heads);
  };
  GuardedTensor<T>& y_place = place == Place::kInPlace ? x : y;
  GuardedTensor<T>& dx_place = place == Place::kInPlace ? dy : dx;
  HeadNormForward({.x_THD = heads_of(x),
                   .weight_D = weight_D,
                   .epsilon = kEpsilon,
                   .y_THD = heads_of(y_place),
                   .rstd_TH = rstd_TH},
                  *bench.stream);
  Results<T> results = {.y = gather(y_place.Get()), .rstd = rstd_TH.Get(), .dx = {}, .dweight = {}};
  x.Set(spread(in.x));
  HeadNormBackward({.x_THD = heads_of(x),
                    .weight_D = weight_D,
                    .rstd_TH = rstd_TH,
                    .dy_THD = heads_of(dy),
                    .dx_THD = heads_of(dx_place),
                    .dweight_D = dweight_D,
                    .dweight_mode = in.mode(),
                    .workspace = workspace},
                   *bench.stream);
  results.dx = gather(dx_place.Get());
  results.dweight = dweight_D.Get();
  return results;
}

template <class T>
class HeadNormTyped : public ::testing::Test {
 protected:
  OpBench bench_;
};
using FloatTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(HeadNormTyped, FloatTypes);

TYPED_TEST(HeadNormTyped, NormalisesTheHeadsOfAFusedTensorAsRowsAndNothingElse) {
  using T = TypeParam;
  for (const Size& size :
       {Size{0, 2, 3}, {3, 0, 5}, {1, 1, 1}, {2, 3, 7}, {17, 2, 64}, {5, 3, 257}, {331, 4, 128}}) {
    const std::string what = StrCat(size.tokens, " x ", size.heads, " x ", size.head_dim);
    auto in = RandomInputs<T>(size);
    const auto rows = RunRmsNorm<T>(this->bench_, size, in).All();
    for (const int64_t first : {0, 3}) {
      EXPECT_TRUE(BitEqual(RunHeadNorm<T>(this->bench_, size, in, first).All(), rows)) << what;
    }
    EXPECT_TRUE(BitEqual(RunHeadNorm<T>(this->bench_, size, in, 1, Place::kInPlace).All(), rows))
        << what << " in place";
    in.old_dweight = RandomValues<T>(size.head_dim, "old");
    EXPECT_TRUE(BitEqual(RunHeadNorm<T>(this->bench_, size, in).dweight,
                         RunRmsNorm<T>(this->bench_, size, in).dweight))
        << what << " accumulated";
  }
}

TEST(HeadNorm, BackwardMatchesFiniteDifferences) {
  const OpBench bench(1);
  const Size size = {2, 3, 5};
  const auto in = RandomInputs<double>(size);
  const auto result = RunHeadNorm<double>(bench, size, in);
  const auto expect_gradient = [&](std::vector<double> Inputs<double>::*of,
                                   const std::vector<double>& gradient) {
    const auto expected = FiniteDifferences(in.*of, [&](const std::vector<double>& at) {
      auto moved = in;
      moved.*of = at;
      const auto y = RunHeadNorm<double>(bench, size, moved).y;
      return std::inner_product(y.begin(), y.end(), in.dy.begin(), 0.0);
    });
    EXPECT_LE(MaxError(gradient, expected), 1e-8);
  };
  expect_gradient(&Inputs<double>::x, result.dx);
  expect_gradient(&Inputs<double>::weight, result.dweight);
}

TYPED_TEST(HeadNormTyped, BitsDoNotDependOnTheNumberOfThreads) {
  using T = TypeParam;
  const Size size = {331, 5, 64};
  const auto in = RandomInputs<T>(size);
  ExpectSameBitsForAnyThreads(
      [&](const OpBench& bench) { return RunHeadNorm<T>(bench, size, in).All(); });
}

TEST(HeadNorm, ErrorsNameOpAndArgument) {
  const OpBench bench;
  GuardedTensor<float> x(bench, {2, 3, 4}), weight_D(bench, {4}), rstd(bench, {2, 3}),
      short_rstd(bench, {2, 2});
  GuardedTensor<uint8_t> workspace(bench, {4});
  EXPECT_THAT(ErrorOf([&] {
                HeadNormForward(
                    {.x_THD = x, .weight_D = weight_D, .y_THD = x, .rstd_TH = short_rstd},
                    *bench.stream);
              }),
              AllOf(HasSubstr("HeadNormForward"), HasSubstr("rstd "), HasSubstr("H = 3")));
  EXPECT_THAT(ErrorOf([&] {
                HeadNormBackward({.x_THD = x,
                                  .weight_D = weight_D,
                                  .rstd_TH = rstd,
                                  .dy_THD = x,
                                  .dx_THD = x,
                                  .dweight_D = weight_D,
                                  .workspace = workspace},
                                 *bench.stream);
              }),
              AllOf(HasSubstr("HeadNormBackward"), HasSubstr("HeadNormBackwardWorkspaceBytes")));
}

}  // namespace
}  // namespace cadmus
