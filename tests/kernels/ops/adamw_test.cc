// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/adamw.h"

#include "tests/kernels/ops/any_threads.h"
#include "tests/kernels/ops/scalars_block.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Settings {
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weight_decay = 0.1;
};

template <class R>
struct State {
  std::vector<R> master, m, v;
};

// The formula of the header, straight, in R.
template <class R>
void PlainStep(State<R>& state, const std::vector<R>& grad, const StepScalars& scalars,
               const Settings& settings) {
  const R beta1 = static_cast<R>(settings.beta1);
  const R beta2 = static_cast<R>(settings.beta2);
  const R rate = static_cast<R>(scalars.learning_rate);
  const R correction1 = 1 - std::pow(beta1, static_cast<R>(scalars.step));
  const R correction2 = 1 - std::pow(beta2, static_cast<R>(scalars.step));
  for (size_t i = 0; i < grad.size(); ++i) {
    const R g = grad[i] * static_cast<R>(scalars.clip_factor);
    R& m = state.m[i];
    R& v = state.v[i];
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    R& master = state.master[i];
    master =
        master * (1 - rate * static_cast<R>(settings.weight_decay)) -
        rate * (m / correction1) / (std::sqrt(v / correction2) + static_cast<R>(settings.epsilon));
  }
}

template <class O, class G>
class Optimizer {
 public:
  Optimizer(const OpBench& bench, const std::vector<O>& weights, const Settings& settings = {})
      : bench_(bench),
        settings_(settings),
        size_(static_cast<int64_t>(weights.size())),
        master_(bench, {size_}, weights),
        m_(bench, {size_}, std::vector<O>(weights.size(), 0)),
        v_(bench, {size_}, std::vector<O>(weights.size(), 0)),
        grad_(bench, {size_}),
        scalars_(bench, {}) {}

  void Step(const std::vector<G>& grad, const StepScalars& scalars,
            const TensorView& weight = TensorView()) {
    grad_.Set(grad);
    scalars_.Set(scalars);
    AdamW({.scalars = scalars_.view(),
           .grad_N = grad_,
           .master_N = master_,
           .m_N = m_,
           .v_N = v_,
           .weight_N = weight,
           .beta1 = settings_.beta1,
           .beta2 = settings_.beta2,
           .epsilon = settings_.epsilon,
           .weight_decay = settings_.weight_decay},
          *bench_.stream);
  }
  State<O> Get() const { return {master_.Get(), m_.Get(), v_.Get()}; }

 private:
  const OpBench& bench_;
  Settings settings_;
  int64_t size_;
  GuardedTensor<O> master_, m_, v_;
  GuardedTensor<G> grad_;
  ScalarsBlock scalars_;
};

template <class T>
class AdamWTyped : public ::testing::Test {
 protected:
  OpBench bench_;
};
using FloatTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(AdamWTyped, FloatTypes);

TEST(AdamW, OneStepByHand) {
  const OpBench bench;
  Optimizer<double, double> optimizer(
      bench, {2.0}, {.beta1 = 0.5, .beta2 = 0.75, .epsilon = 0.5, .weight_decay = 0.25});
  // g = 4 · 0.5 = 2; m = 1, v = 1; m / 0.5 = 2, v / 0.25 = 4; update 2 / (2 + 0.5) = 0.8.
  optimizer.Step({4.0}, {.learning_rate = 0.5, .clip_factor = 0.5, .step = 1});
  EXPECT_EQ(optimizer.Get().m[0], 1.0);
  EXPECT_EQ(optimizer.Get().v[0], 1.0);
  EXPECT_DOUBLE_EQ(optimizer.Get().master[0], 2.0 * (1 - 0.125) - 0.5 * 0.8);
  // g = 0; m = 0.5, v = 0.75; m / 0.75, v / 0.4375.
  optimizer.Step({0.0}, {.learning_rate = 0.1, .clip_factor = 1, .step = 2});
  const double update = (0.5 / 0.75) / (std::sqrt(0.75 / 0.4375) + 0.5);
  EXPECT_DOUBLE_EQ(optimizer.Get().master[0], 1.35 * (1 - 0.025) - 0.1 * update);
}

TYPED_TEST(AdamWTyped, TwentyStepsMatchTheFormula) {
  using T = TypeParam;
  for (const int64_t n : {0, 1, 3, 1009, 40000}) {
    const Settings settings;
    const auto weights = RandomValues<T>(n, "weights");
    Optimizer<T, T> optimizer(this->bench_, weights, settings);
    const std::vector<T> zeros(weights.size(), 0);
    State<T> plain = {weights, zeros, zeros};
    State<Wider<T>> exact = {Converted<Wider<T>>(weights), Converted<Wider<T>>(zeros),
                             Converted<Wider<T>>(zeros)};
    for (int64_t step = 1; step <= 20; ++step) {
      const auto grad = RandomValues<T>(n, StrCat("grad", step));
      const StepScalars scalars = {.learning_rate = 0.01 / static_cast<double>(step),
                                   .clip_factor = step % 3 == 0 ? 0.25 : 1.0,
                                   .step = step};
      optimizer.Step(grad, scalars);
      PlainStep<T>(plain, grad, scalars, settings);
      PlainStep(exact, Converted<Wider<T>>(grad), scalars, settings);
    }
    const auto result = optimizer.Get();
    ExpectAsGoodAsPlain(result.master, plain.master, exact.master, "master");
    ExpectAsGoodAsPlain(result.m, plain.m, exact.m, "m");
    ExpectAsGoodAsPlain(result.v, plain.v, exact.v, "v");
  }
}

TEST(AdamW, WeightIsTheMasterRounded) {
  const OpBench bench;
  const auto weights = RandomValues<double>(20001, "weights");
  const auto grad = RandomValues<float>(20001, "grad");
  Optimizer<double, float> optimizer(bench, weights);
  GuardedTensor<float> weight_N(bench, {20001});
  optimizer.Step(grad, {.learning_rate = 0.01, .step = 1}, weight_N);
  const auto master = optimizer.Get().master;
  EXPECT_TRUE(BitEqual(weight_N.Get(), Converted<float>(master)));

  Optimizer<double, double> same(bench, weights);
  same.Step(Converted<double>(grad), {.learning_rate = 0.01, .step = 1});
  EXPECT_TRUE(BitEqual(same.Get().master, master)) << "an f32 gradient is read exactly";
}

TYPED_TEST(AdamWTyped, AZeroGradientFromTheStartOnlyDecays) {
  using T = TypeParam;
  Optimizer<T, T> optimizer(this->bench_, {T(3)}, {.weight_decay = 0.5});
  optimizer.Step({0}, {.learning_rate = 0.5, .step = 1});
  EXPECT_EQ(optimizer.Get().master[0], T(2.25));
}

TYPED_TEST(AdamWTyped, BitsDoNotDependOnTheNumberOfThreads) {
  using T = TypeParam;
  const auto weights = RandomValues<T>(70001, "weights");
  const auto grad = RandomValues<T>(70001, "grad");
  ExpectSameBitsForAnyThreads([&](const OpBench& bench) {
    Optimizer<T, T> optimizer(bench, weights);
    for (int64_t step = 1; step <= 3; ++step) {
      optimizer.Step(grad, {.learning_rate = 0.01, .step = step});
    }
    auto all = optimizer.Get().master;
    Append(all, optimizer.Get().m);
    Append(all, optimizer.Get().v);
    return all;
  });
}

TEST(AdamW, StepsCountFromOne) {
  const OpBench bench;
  Optimizer<float, float> optimizer(bench, {1});
  EXPECT_THAT(ErrorOf([&] {
                optimizer.Step({1}, {.learning_rate = 0.1, .step = 0});
                bench.Synchronize();
              }),
              HasSubstr("counts from 1"));
  EXPECT_EQ(optimizer.Get().master[0], 1);
}

TEST(AdamW, ErrorsNameOpAndArgument) {
  const OpBench bench;
  GuardedTensor<float> good(bench, {3}), bad(bench, {2});
  GuardedTensor<double> wide(bench, {3});
  ScalarsBlock scalars(bench, {.step = 1});
  const auto error_with = [&](auto change) {
    AdamWArgs args = {
        .scalars = scalars.view(), .grad_N = good, .master_N = good, .m_N = good, .v_N = good};
    change(args);
    return ErrorOf([&] { AdamW(args, *bench.stream); });
  };
  EXPECT_THAT(error_with([&](AdamWArgs& args) { args.master_N = bad; }),
              AllOf(HasSubstr("AdamW"), HasSubstr("master"), HasSubstr("N = 3")));
  EXPECT_THAT(error_with([&](AdamWArgs& args) { args.v_N = wide; }),
              AllOf(HasSubstr("v F64"), HasSubstr("must be F32")));
  EXPECT_THAT(error_with([&](AdamWArgs& args) { args.scalars = scalars.view().Slice(0, 0, 8); }),
              AllOf(HasSubstr("AdamW"), HasSubstr("scalars")));
  EXPECT_THAT(error_with([](AdamWArgs& args) { args.beta2 = 1; }),
              AllOf(HasSubstr("AdamW"), HasSubstr("beta2")));
}

}  // namespace
}  // namespace cadmus
