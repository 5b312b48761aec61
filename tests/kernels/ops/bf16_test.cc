// SPDX-License-Identifier: Apache-2.0
// Every op in bf16, against the same op in f64 on the same (bf16) inputs; the f64 ops have tests of
// their own. The plain implementation of the rule of op_test_support.h is the f32 op, rounded.
#include <set>

#include "kernels/ops/adamw.h"
#include "kernels/ops/attention.h"
#include "kernels/ops/bias_gradient.h"
#include "kernels/ops/cast.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/dropout.h"
#include "kernels/ops/embedding.h"
#include "kernels/ops/gelu.h"
#include "kernels/ops/gemm.h"
#include "kernels/ops/head_norm.h"
#include "kernels/ops/layer_norm.h"
#include "kernels/ops/reduce.h"
#include "kernels/ops/rms_norm.h"
#include "kernels/ops/rope.h"
#include "kernels/ops/swiglu.h"
#include "tests/kernels/ops/any_threads.h"
#include "tests/kernels/ops/scalars_block.h"

namespace cadmus {
namespace {

using Values = std::vector<double>;

// The type of sums and statistics of a storage type.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;

// bf16 values, whatever the type that they are then stored in.
Values Inputs(int64_t count, std::string_view name, double scale = 1) {
  return Converted<double>(RandomValues<BFloat16>(count, name, scale));
}

// A tensor of T with these values.
template <class T>
struct In : GuardedTensor<T> {
  In(const OpBench& bench, const Shape& shape, const Values& values)
      : GuardedTensor<T>(bench, shape, Converted<T>(values)) {}
};

enum class Kind { kStored, kWide };  // rounded to the storage type, or to that of statistics
struct Output {
  std::string name;
  Values values;
  Kind kind = Kind::kStored;
};
using Outputs = std::vector<Output>;

template <class T>
Values Read(const GuardedTensor<T>& tensor) {
  return Converted<double>(tensor.Get());
}

Values Rounded(const Values& values) { return Converted<double>(Converted<BFloat16>(values)); }

// `run` is a generic lambda that takes a bench and a Tag<T>, and computes with storage T.
template <class T>
struct Tag {
  using Type = T;
};

template <class Run>
void ExpectAsGoodAsF32Rounded(const Run& run, const std::string& what) {
  static const OpBench bench(2), one_thread(1), three_threads(3);
  const Outputs results = run(bench, Tag<BFloat16>());
  const Outputs plain = run(bench, Tag<float>());
  const Outputs exact = run(bench, Tag<double>());
  ASSERT_EQ(results.size(), exact.size());
  for (size_t i = 0; i < results.size(); ++i) {
    const bool is_wide = results[i].kind == Kind::kWide;
    const double epsilon = is_wide ? double{std::numeric_limits<float>::epsilon()}
                                   : double{std::numeric_limits<BFloat16>::epsilon()};
    const Values plain_values = is_wide ? plain[i].values : Rounded(plain[i].values);
    EXPECT_LE(
        MaxError(results[i].values, exact[i].values),
        2 * MaxError(plain_values, exact[i].values) + 2 * epsilon * MaxMagnitude(exact[i].values))
        << what << ": " << results[i].name;
  }
  for (const OpBench* other : {&one_thread, &three_threads}) {
    const Outputs again = run(*other, Tag<BFloat16>());
    for (size_t i = 0; i < results.size(); ++i) {
      EXPECT_TRUE(BitEqual(again[i].values, results[i].values))
          << what << ": " << results[i].name << " on a " << other->device->properties().name;
    }
  }
}

TEST(Bf16, CastRoundsAndWidens) {
  const OpBench bench;
  const auto values = RandomValues<double>(40001, "x", 100);
  const In<double> wide(bench, {40001}, values);
  const In<float> single(bench, {40001}, values);
  const GuardedTensor<BFloat16> from_wide(bench, {40001});
  const GuardedTensor<BFloat16> from_single(bench, {40001});
  Cast({.x = wide, .y = from_wide}, *bench.stream);
  Cast({.x = single, .y = from_single}, *bench.stream);
  EXPECT_TRUE(BitEqual(from_wide.Get(), Converted<BFloat16>(values)));
  EXPECT_TRUE(BitEqual(from_single.Get(), Converted<BFloat16>(Converted<float>(values))));
  const GuardedTensor<float> back(bench, {40001});
  Cast({.x = from_wide, .y = back}, *bench.stream);
  EXPECT_TRUE(BitEqual(back.Get(), Converted<float>(from_wide.Get())));
}

TEST(Bf16, RmsNorm) {
  for (const auto& [tokens, width] :
       {std::pair<int64_t, int64_t>{0, 3}, {1, 1}, {7, 31}, {53, 512}, {300, 67}}) {
    for (const bool has_residual : {false, true}) {
      ExpectAsGoodAsF32Rounded(
          [&, tokens = tokens, width = width]<class T>(const OpBench& bench, Tag<T>) -> Outputs {
            const In<T> x(bench, {tokens, width}, Inputs(tokens * width, "x"));
            const In<T> residual(bench, {tokens, width}, Inputs(tokens * width, "residual"));
            const In<T> weight(bench, {width}, Inputs(width, "weight"));
            const In<T> dy(bench, {tokens, width}, Inputs(tokens * width, "dy"));
            const In<T> dsum(bench, {tokens, width}, Inputs(tokens * width, "dsum"));
            const GuardedTensor<T> sum(bench, {tokens, width}), y(bench, {tokens, width}),
                ds(bench, {tokens, width});
            const GuardedTensor<Wide<T>> rstd(bench, {tokens});
            const In<Wide<T>> dweight(bench, {width}, Inputs(width, "dweight"));
            const GuardedTensor<uint8_t> workspace(
                bench, {RmsNormBackwardWorkspaceBytes(tokens, width, DTypeOf<T>)});
            RmsNormForwardArgs forward = {
                .x_TD = x, .weight_D = weight, .epsilon = 0.1, .y_TD = y, .rstd_T = rstd};
            if (has_residual) forward.residual_TD = residual, forward.sum_TD = sum;
            RmsNormForward(forward, *bench.stream);
            RmsNormBackwardArgs backward = {.s_TD = x,
                                            .weight_D = weight,
                                            .rstd_T = rstd,
                                            .dy_TD = dy,
                                            .ds_TD = ds,
                                            .dweight_D = dweight,
                                            .dweight_mode = GradMode::kAccumulate,
                                            .workspace = workspace};
            // What is normalised is the stored sum: in the other types it would be another one.
            if (has_residual) return {{"y", Read(y)}, {"sum", Read(sum)}};
            RmsNormBackward(backward, *bench.stream);
            const Values ds_alone = Read(ds);
            backward.dsum_TD = dsum;
            RmsNormBackward(backward, *bench.stream);
            return {{"y", Read(y)},
                    {"rstd", Read(rstd), Kind::kWide},
                    {"ds", ds_alone},
                    {"ds + dsum", Read(ds)},
                    {"dweight", Read(dweight), Kind::kWide}};
          },
          StrCat("[", tokens, ", ", width, "]"));
    }
  }
}

TEST(Bf16, LayerNorm) {
  for (const auto& [tokens, width] : {std::pair<int64_t, int64_t>{1, 1}, {7, 31}, {53, 512}}) {
    ExpectAsGoodAsF32Rounded(
        [&, tokens = tokens, width = width]<class T>(const OpBench& bench, Tag<T>) -> Outputs {
          const In<T> x(bench, {tokens, width}, Inputs(tokens * width, "x"));
          const In<T> weight(bench, {width}, Inputs(width, "weight"));
          const In<T> bias(bench, {width}, Inputs(width, "bias"));
          const In<T> dy(bench, {tokens, width}, Inputs(tokens * width, "dy"));
          const GuardedTensor<T> y(bench, {tokens, width}), ds(bench, {tokens, width});
          const GuardedTensor<Wide<T>> mean(bench, {tokens}), rstd(bench, {tokens});
          const GuardedTensor<Wide<T>> dweight(bench, {width}), dbias(bench, {width});
          const GuardedTensor<uint8_t> workspace(
              bench, {LayerNormBackwardWorkspaceBytes(tokens, width, DTypeOf<T>)});
          LayerNormForward({.x_TD = x,
                            .weight_D = weight,
                            .bias_D = bias,
                            .epsilon = 0.1,
                            .y_TD = y,
                            .mean_T = mean,
                            .rstd_T = rstd},
                           *bench.stream);
          LayerNormBackward({.s_TD = x,
                             .weight_D = weight,
                             .mean_T = mean,
                             .rstd_T = rstd,
                             .dy_TD = dy,
                             .ds_TD = ds,
                             .dweight_D = dweight,
                             .dbias_D = dbias,
                             .workspace = workspace},
                            *bench.stream);
          return {{"y", Read(y)},
                  {"mean", Read(mean), Kind::kWide},
                  {"rstd", Read(rstd), Kind::kWide},
                  {"ds", Read(ds)},
                  {"dweight", Read(dweight), Kind::kWide},
                  {"dbias", Read(dbias), Kind::kWide}};
        },
        StrCat("[", tokens, ", ", width, "]"));
  }
}

TEST(Bf16, HeadNormAndGeluAndBiasGradient) {
  ExpectAsGoodAsF32Rounded(
      []<class T>(const OpBench& bench, Tag<T>) -> Outputs {
        constexpr int64_t kTokens = 61, kHeads = 3, kHeadDim = 17;
        constexpr int64_t kWidth = kHeads * kHeadDim, kSize = kTokens * kWidth;
        const In<T> x(bench, {kTokens, kHeads, kHeadDim}, Inputs(kSize, "x", 3));
        const In<T> dy(bench, {kTokens, kHeads, kHeadDim}, Inputs(kSize, "dy"));
        const In<T> weight(bench, {kHeadDim}, Inputs(kHeadDim, "weight"));
        const GuardedTensor<T> y(bench, {kTokens, kHeads, kHeadDim});
        const GuardedTensor<T> dx(bench, {kTokens, kHeads, kHeadDim});
        const GuardedTensor<Wide<T>> rstd(bench, {kTokens, kHeads}), dweight(bench, {kHeadDim});
        const GuardedTensor<Wide<T>> dbias(bench, {kWidth});
        const GuardedTensor<uint8_t> head_workspace(
            bench, {HeadNormBackwardWorkspaceBytes(kTokens, kHeads, kHeadDim, DTypeOf<T>)});
        const GuardedTensor<uint8_t> bias_workspace(
            bench, {BiasGradientWorkspaceBytes(kTokens, kWidth, DTypeOf<T>)});
        HeadNormForward({.x_THD = x, .weight_D = weight, .y_THD = y, .rstd_TH = rstd},
                        *bench.stream);
        HeadNormBackward({.x_THD = x,
                          .weight_D = weight,
                          .rstd_TH = rstd,
                          .dy_THD = dy,
                          .dx_THD = dx,
                          .dweight_D = dweight,
                          .workspace = head_workspace},
                         *bench.stream);
        Outputs outputs = {{"normed heads", Read(y)},
                           {"dx of heads", Read(dx)},
                           {"dweight of heads", Read(dweight), Kind::kWide}};
        const Shape flat = {kTokens, kWidth};
        GeluForward({.x_TF = x.view().Reshape(flat), .y_TF = y.view().Reshape(flat)},
                    *bench.stream);
        GeluBackward({.x_TF = x.view().Reshape(flat),
                      .dy_TF = dy.view().Reshape(flat),
                      .dx_TF = dx.view().Reshape(flat)},
                     *bench.stream);
        BiasGradient(
            {.dy_TN = dy.view().Reshape(flat), .dbias_N = dbias, .workspace = bias_workspace},
            *bench.stream);
        outputs.push_back({"gelu", Read(y)});
        outputs.push_back({"dx of gelu", Read(dx)});
        outputs.push_back({"dbias", Read(dbias), Kind::kWide});
        return outputs;
      },
      "heads, gelu, bias");
}

TEST(Bf16, Rope) {
  for (const RopeDirection direction : {RopeDirection::kForward, RopeDirection::kBackward}) {
    ExpectAsGoodAsF32Rounded(
        [&]<class T>(const OpBench& bench, Tag<T>) -> Outputs {
          constexpr int64_t kPositions = 53, kHalf = 17;
          std::vector<Wide<T>> cos(kPositions * kHalf), sin(cos);
          FillRopeTables({.theta = 10000, .head_dim = 2 * kHalf},
                         TensorView(cos.data(), DTypeOf<Wide<T>>, {kPositions, kHalf}),
                         TensorView(sin.data(), DTypeOf<Wide<T>>, {kPositions, kHalf}));
          const GuardedTensor<Wide<T>> cos_PF(bench, {kPositions, kHalf}, cos);
          const GuardedTensor<Wide<T>> sin_PF(bench, {kPositions, kHalf}, sin);
          std::vector<int32_t> positions(2 * kPositions);
          for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int32_t>(i) / 2;
          const GuardedTensor<int32_t> positions_BS(bench, {2, kPositions}, positions);
          const In<T> x(bench, {2, kPositions, 3, 2 * kHalf},
                        Inputs(2 * kPositions * 3 * 2 * kHalf, "x"));
          Rope({.x_BSND = x,
                .positions_BS = positions_BS,
                .cos_PF = cos_PF,
                .sin_PF = sin_PF,
                .direction = direction},
               *bench.stream);
          return {{"x", Read(x)}};
        },
        "rope");
  }
}

TEST(Bf16, SwiGlu) {
  for (const auto& [tokens, width] : {std::pair<int64_t, int64_t>{1, 1}, {7, 31}, {3, 20011}}) {
    ExpectAsGoodAsF32Rounded(
        [&, tokens = tokens, width = width]<class T>(const OpBench& bench, Tag<T>) -> Outputs {
          const In<T> gate_up(bench, {tokens, 2 * width}, Inputs(2 * tokens * width, "g", 6));
          const In<T> dy(bench, {tokens, width}, Inputs(tokens * width, "dy"));
          const GuardedTensor<T> y(bench, {tokens, width});
          SwiGluForward({.gate_up_TG = gate_up, .y_TF = y}, *bench.stream);
          SwiGluBackward({.gate_up_TG = gate_up, .dy_TF = dy, .dgate_up_TG = gate_up},
                         *bench.stream);
          return {{"y", Read(y)}, {"dgate_up", Read(gate_up)}};
        },
        StrCat("[", tokens, ", ", width, "]"));
  }
}

TEST(Bf16, EmbeddingSumsItsGradientInF32) {
  ExpectAsGoodAsF32Rounded(
      []<class T>(const OpBench& bench, Tag<T>) -> Outputs {
        constexpr int64_t kTokens = 1009, kRows = 7, kWidth = 67;
        std::vector<int32_t> tokens(kTokens);
        for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>(i * i % kRows);
        const GuardedTensor<int32_t> tokens_T(bench, {kTokens}, tokens);
        const In<T> table(bench, {kRows, kWidth}, Inputs(kRows * kWidth, "table"));
        const In<T> dy(bench, {kTokens, kWidth}, Inputs(kTokens * kWidth, "dy"));
        const GuardedTensor<T> y(bench, {kTokens, kWidth});
        const GuardedTensor<Wide<T>> dtable(bench, {kRows, kWidth});
        EmbeddingForward({.tokens_T = tokens_T, .table_VD = table, .y_TD = y}, *bench.stream);
        EmbeddingBackward({.tokens_T = tokens_T, .dy_TD = dy, .dtable_VD = dtable}, *bench.stream);
        return {{"y", Read(y)}, {"dtable", Read(dtable), Kind::kWide}};
      },
      "embedding");
}

TEST(Bf16, CrossEntropyWholeAndSplit) {
  ExpectAsGoodAsF32Rounded(
      []<class T>(const OpBench& bench, Tag<T>) -> Outputs {
        constexpr int64_t kTokens = 61, kVocabulary = 1031;
        std::vector<int32_t> labels(kTokens);
        for (size_t i = 0; i < labels.size(); ++i)
          labels[i] = i % 5 == 4 ? -1 : static_cast<int32_t>(i * i * 17 % kVocabulary);
        const GuardedTensor<int32_t> labels_T(bench, {kTokens}, labels);
        const Values logits = Inputs(kTokens * kVocabulary, "logits", 8);
        const In<T> whole(bench, {kTokens, kVocabulary}, logits);
        const In<T> split(bench, {kTokens, kVocabulary}, logits);
        const GuardedTensor<Wide<T>> loss(bench, {kTokens}), split_loss(bench, {kTokens});
        const GuardedTensor<double> statistics(bench, {1, 3, kTokens});
        const ScalarsBlock scalars(bench, {.loss_scale = 1.0 / 37});
        CrossEntropy(
            {.logits_TV = whole, .labels_T = labels_T, .scalars = scalars.view(), .loss_T = loss},
            *bench.stream);
        const VocabularyPart part = {.first = 0, .vocab_size = kVocabulary};
        LogitStatistics({.logits_TV = split,
                         .labels_T = labels_T,
                         .part = part,
                         .statistics_3T = statistics.view().Reshape({3, kTokens})},
                        *bench.stream);
        SplitCrossEntropy({.logits_TV = split,
                           .labels_T = labels_T,
                           .statistics_R3T = statistics,
                           .scalars = scalars.view(),
                           .part = part,
                           .loss_T = split_loss},
                          *bench.stream);
        return {{"loss", Read(loss), Kind::kWide},
                {"gradient", Read(whole)},
                {"loss of parts", Read(split_loss), Kind::kWide},
                {"gradient of parts", Read(split)}};
      },
      "cross-entropy");
}

TEST(Bf16, Dropout) {
  for (const double probability : {0.0, 0.3}) {
    ExpectAsGoodAsF32Rounded(
        [&]<class T>(const OpBench& bench, Tag<T>) -> Outputs {
          constexpr int64_t kTokens = 37, kWidth = 1001;
          std::vector<int64_t> samples(kTokens, 5);
          std::vector<int32_t> positions(kTokens);
          std::iota(positions.begin(), positions.end(), 0);
          const GuardedTensor<int64_t> samples_T(bench, {kTokens}, samples);
          const GuardedTensor<int32_t> positions_T(bench, {kTokens}, positions);
          const ScalarsBlock scalars(bench, {.seed = 3});
          const In<T> x(bench, {kTokens, kWidth}, Inputs(kTokens * kWidth, "x"));
          const In<T> residual(bench, {kTokens, kWidth}, Inputs(kTokens * kWidth, "residual"));
          const GuardedTensor<T> y(bench, {kTokens, kWidth});
          DropoutArgs args = {.x_TD = x, .probability = probability, .site = 9, .y_TD = y};
          if (probability > 0) {
            args.scalars = scalars.view();
            args.row_samples_T = samples_T;
            args.row_positions_T = positions_T;
          }
          Dropout(args, *bench.stream);
          const Values alone = Read(y);
          args.residual_TD = residual;
          Dropout(args, *bench.stream);
          return {{"y", alone}, {"y + residual", Read(y)}};
        },
        StrCat("probability ", probability));
  }
}

TEST(Bf16, SumsAreOfF64) {
  ExpectAsGoodAsF32Rounded(
      []<class T>(const OpBench& bench, Tag<T>) -> Outputs {
        const In<T> x(bench, {20011}, Inputs(20011, "x"));
        const GuardedTensor<double> sum(bench, {1}), squares(bench, {1});
        const GuardedTensor<uint8_t> workspace(bench, {ReduceWorkspaceBytes(20011)});
        Sum({.x_N = x, .out = sum, .workspace = workspace}, *bench.stream);
        SquaredNorm({.x_N = x, .out = squares, .workspace = workspace}, *bench.stream);
        return {{"sum", Read(sum), Kind::kWide}, {"squared norm", Read(squares), Kind::kWide}};
      },
      "reduce");
}

TEST(Bf16, AdamWRoundsTheMasterToTheWeight) {
  const OpBench bench;
  constexpr int64_t kSize = 20011;
  const auto master_values = RandomValues<float>(kSize, "master");
  const GuardedTensor<float> grad(bench, {kSize}, RandomValues<float>(kSize, "grad"));
  const GuardedTensor<float> m(bench, {kSize}, std::vector<float>(kSize, 0));
  const GuardedTensor<float> v(bench, {kSize}, std::vector<float>(kSize, 0));
  const GuardedTensor<float> master(bench, {kSize}, master_values);
  const GuardedTensor<BFloat16> weight(bench, {kSize});
  const ScalarsBlock scalars(bench, {.learning_rate = 1e-4, .clip_factor = 1, .step = 1});
  AdamW({.scalars = scalars.view(),
         .grad_N = grad,
         .master_N = master,
         .m_N = m,
         .v_N = v,
         .weight_N = weight},
        *bench.stream);
  const auto updated = master.Get();
  EXPECT_FALSE(BitEqual(updated, master_values));
  EXPECT_TRUE(BitEqual(weight.Get(), Converted<BFloat16>(updated)));
  EXPECT_THAT(
      ErrorOf([&] {
        AdamW({.scalars = scalars.view(), .grad_N = grad, .master_N = weight, .m_N = m, .v_N = v},
              *bench.stream);
      }),
      testing::HasSubstr("master BF16[20011]: must be F64 or F32"));
}

constexpr Transpose kBoth[] = {Transpose::kNo, Transpose::kYes};

// C of bf16, or of f32 (f64): what gradients are summed up in.
template <class T, class C>
Values RunGemm(const OpBench& bench, GemmSpec spec, double scale) {
  spec.dtype = DTypeOf<T>;
  spec.dtype_c = DTypeOf<C>;
  const auto stored = [&](int64_t rows, int64_t columns, Transpose transpose) {
    return transpose == Transpose::kYes ? Shape{spec.batch, columns, rows}
                                        : Shape{spec.batch, rows, columns};
  };
  const In<T> a(bench, stored(spec.m, spec.k, spec.transpose_a),
                Inputs(spec.batch * spec.m * spec.k, "a", scale));
  const In<T> b(bench, stored(spec.k, spec.n, spec.transpose_b),
                Inputs(spec.batch * spec.k * spec.n, "b", scale));
  const In<T> bias(bench, {spec.n}, Inputs(spec.n, "bias"));
  GuardedTensor<C> c(bench, {spec.batch, spec.m, spec.n});
  if (spec.mode == GradMode::kAccumulate)
    c.Set(Converted<C>(Inputs(spec.batch * spec.m * spec.n, "c")));
  const auto plan = MakePlan(*bench.device, spec);
  const GuardedTensor<uint8_t> workspace(bench, {plan->workspace_bytes});
  GemmArgs args = {.plan = plan.get(), .a = {.data = a}, .b = {.data = b}, .c = c};
  if (plan->workspace_bytes > 0) args.workspace = workspace;
  if (spec.epilogue == Epilogue::kBias) args.bias_N = bias;
  Gemm(args, *bench.stream);
  bench.Synchronize();
  return Read(c);
}

TEST(Bf16, GemmOfAllTransposesModesAndEpilogues) {
  const int64_t shapes[][4] = {{1, 1, 1, 1},    {1, 0, 3, 5},    {1, 3, 5, 0},    {2, 3, 5, 7},
                               {1, 1, 259, 64}, {3, 17, 19, 23}, {1, 9, 17, 801}, {1, 530, 3, 9}};
  for (const auto& [batch, m, n, k] : shapes) {
    for (int choice = 0; choice < 16; ++choice) {
      const GemmSpec spec = {.batch = batch,
                             .m = m,
                             .n = n,
                             .k = k,
                             .transpose_a = kBoth[choice & 1],
                             .transpose_b = kBoth[choice >> 1 & 1],
                             .mode = choice & 4 ? GradMode::kAccumulate : GradMode::kOverwrite,
                             .epilogue = choice & 8 ? Epilogue::kBias : Epilogue::kNone};
      ExpectAsGoodAsF32Rounded(
          [&]<class T>(const OpBench& bench, Tag<T>) -> Outputs {
            return {{"C", RunGemm<T, T>(bench, spec, 1)},
                    {"wide C", RunGemm<T, Wide<T>>(bench, spec, 1), Kind::kWide}};
          },
          StrCat("batch ", batch, " m ", m, " n ", n, " k ", k, " choice ", choice));
    }
  }
}

TEST(Bf16, GemmRefusesAnOutputThatIsNeitherStoredNorWide) {
  const OpBench bench;
  const GemmSpec spec = {.m = 2, .n = 2, .k = 2, .dtype = DType::kBF16, .dtype_c = DType::kF64};
  EXPECT_THAT(ErrorOf([&] { MakePlan(*bench.device, spec); }),
              testing::HasSubstr("dtype_c F64 must be BF16 or F32"));
}

TEST(Bf16, Attention) {
  // Kernels on tensor cores round probabilities too: tests/kernels/gpu has a bound for those.
  constexpr const char* kRoundsOnce = "simple attention";
  struct Case {
    int64_t batch, queries, keys, heads, kv_heads, head_dim, query_offset;
    AttentionMask mask = AttentionMask::kCausal;
  };
  for (const Case& c :
       {Case{1, 1, 1, 1, 1, 1, 0}, Case{2, 67, 67, 4, 2, 16, 0}, Case{1, 70, 300, 2, 1, 8, 230},
        Case{1, 3, 0, 2, 1, 4, 0}, Case{1, 131, 263, 3, 3, 64, 0, AttentionMask::kFull},
        Case{2, 40, 40, 4, 2, 128, 0}, Case{1, 33, 37, 2, 1, 190, 4}}) {
    ExpectAsGoodAsF32Rounded(
        [&]<class T>(const OpBench& bench, Tag<T>) -> Outputs {
          const Shape query_shape = {c.batch, c.queries, c.heads, c.head_dim};
          const Shape key_shape = {c.batch, c.keys, c.kv_heads, c.head_dim};
          const int64_t q_size = query_shape.num_elements(), k_size = key_shape.num_elements();
          const In<T> q(bench, query_shape, Inputs(q_size, "q", 2));
          const In<T> k(bench, key_shape, Inputs(k_size, "k", 2));
          const In<T> v(bench, key_shape, Inputs(k_size, "v"));
          const In<T> dout(bench, query_shape, Inputs(q_size, "dout"));
          const GuardedTensor<T> out(bench, query_shape), dq(bench, query_shape);
          const GuardedTensor<T> dk(bench, key_shape), dv(bench, key_shape);
          const GuardedTensor<Wide<T>> lse(bench, {c.batch, c.heads, c.queries});
          const auto plan = MakePlan(*bench.device, AttentionSpec{.batch = c.batch,
                                                                  .query_length = c.queries,
                                                                  .key_length = c.keys,
                                                                  .num_heads = c.heads,
                                                                  .num_kv_heads = c.kv_heads,
                                                                  .head_dim = c.head_dim,
                                                                  .dtype = DTypeOf<T>,
                                                                  .mask = c.mask,
                                                                  .scale = 0.3,
                                                                  .gpu_kernel = kRoundsOnce});
          const GuardedTensor<uint8_t> forward(bench, {plan->forward_workspace_bytes});
          const GuardedTensor<uint8_t> backward(bench, {plan->backward_workspace_bytes});
          AttentionForward({.plan = plan.get(),
                            .q_BSHD = q,
                            .k_BTKD = k,
                            .v_BTKD = v,
                            .query_offset = c.query_offset,
                            .out_BSHD = out,
                            .lse_BHS = lse,
                            .workspace = forward},
                           *bench.stream);
          AttentionBackward({.plan = plan.get(),
                             .q_BSHD = q,
                             .k_BTKD = k,
                             .v_BTKD = v,
                             .query_offset = c.query_offset,
                             .out_BSHD = out,
                             .lse_BHS = lse,
                             .dout_BSHD = dout,
                             .dq_BSHD = dq,
                             .dk_BTKD = dk,
                             .dv_BTKD = dv,
                             .workspace = backward},
                            *bench.stream);
          return {{"out", Read(out)},
                  {"lse", Read(lse), Kind::kWide},
                  {"dq", Read(dq)},
                  {"dk", Read(dk)},
                  {"dv", Read(dv)}};
        },
        StrCat("batch ", c.batch, " queries ", c.queries, " keys ", c.keys, " head dim ",
               c.head_dim));
  }
}

}  // namespace
}  // namespace cadmus
