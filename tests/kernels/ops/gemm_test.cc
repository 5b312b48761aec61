// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/gemm.h"

#include <thread>

#include "kernels/cpu/thread_pool.h"
#include "kernels/ops/gemm_choice.h"
#include "tests/kernels/ops/op_test_support.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr Transpose kBoth[] = {Transpose::kNo, Transpose::kYes};

template <class T>
struct Operands {
  std::vector<T> a, b, bias, c;
};

template <class T>
Operands<T> RandomOperands(const GemmSpec& s) {
  return {RandomValues<T>(s.batch * s.m * s.k, "a"), RandomValues<T>(s.batch * s.k * s.n, "b"),
          RandomValues<T>(s.n, "bias"), RandomValues<T>(s.batch * s.m * s.n, "c")};
}

// The plain product: every sum in R, one term after the other.
template <class R, class T>
std::vector<R> PlainGemm(const GemmSpec& s, const Operands<T>& in) {
  std::vector<R> c(in.c.size());
  for (int64_t e = 0; e < s.batch; ++e) {
    const T* a = in.a.data() + e * s.m * s.k;
    const T* b = in.b.data() + e * s.k * s.n;
    for (int64_t i = 0; i < s.m; ++i) {
      for (int64_t j = 0; j < s.n; ++j) {
        R sum = 0;
        for (int64_t x = 0; x < s.k; ++x) {
          sum += static_cast<R>(a[s.transpose_a == Transpose::kYes ? x * s.m + i : i * s.k + x]) *
                 static_cast<R>(b[s.transpose_b == Transpose::kYes ? j * s.k + x : x * s.n + j]);
        }
        const auto at = static_cast<size_t>((e * s.m + i) * s.n + j);
        if (s.mode == GradMode::kAccumulate) sum += static_cast<R>(in.c[at]);
        if (s.epilogue == Epilogue::kBias) sum += static_cast<R>(in.bias[static_cast<size_t>(j)]);
        c[at] = sum;
      }
    }
  }
  return c;
}

Shape StoredShape(const GemmSpec& s, int64_t rows, int64_t columns, Transpose transpose) {
  return transpose == Transpose::kYes ? Shape{s.batch, columns, rows}
                                      : Shape{s.batch, rows, columns};
}

Tensor WorkspaceOf(const OpBench& bench, const GemmPlan& plan) {
  if (plan.workspace_bytes == 0) return {};
  return Tensor(DType::kU8, {plan.workspace_bytes}, MemoryCategory::kWorkspace, *bench.stream);
}

// The op on fresh tensors; C is full of NaN before an overwrite.
template <class T>
std::vector<T> RunGemm(const OpBench& bench, const GemmSpec& s, const Operands<T>& in) {
  const GuardedTensor<T> a(bench, StoredShape(s, s.m, s.k, s.transpose_a), in.a);
  const GuardedTensor<T> b(bench, StoredShape(s, s.k, s.n, s.transpose_b), in.b);
  const GuardedTensor<T> bias(bench, {s.n}, in.bias);
  GuardedTensor<T> c(bench, {s.batch, s.m, s.n});
  if (s.mode == GradMode::kAccumulate) c.Set(in.c);
  const auto plan = MakePlan(*bench.device, s);
  GemmArgs args;
  args.plan = plan.get();
  args.a.data = a;
  args.b.data = b;
  if (s.epilogue == Epilogue::kBias) args.bias_N = bias;
  args.c = c;
  const Tensor workspace = WorkspaceOf(bench, *plan);
  args.workspace = workspace;
  Gemm(args, *bench.stream);
  bench.Synchronize();
  return c.Get();
}

std::string Describe(const GemmSpec& s) {
  return StrCat("batch ", s.batch, " m ", s.m, " n ", s.n, " k ", s.k, " transposes ",
                static_cast<int>(s.transpose_a), static_cast<int>(s.transpose_b), " mode ",
                static_cast<int>(s.mode), " epilogue ", static_cast<int>(s.epilogue));
}

template <class T>
class GemmTyped : public ::testing::Test {};
using Types = ::testing::Types<double, float>;
TYPED_TEST_SUITE(GemmTyped, Types);

template <class T>
void ExpectCorrect(const OpBench& bench, const GemmSpec& spec) {
  const Operands<T> in = RandomOperands<T>(spec);
  ExpectAsGoodAsPlain(RunGemm(bench, spec, in), PlainGemm<T>(spec, in),
                      PlainGemm<long double>(spec, in), Describe(spec));
}

TYPED_TEST(GemmTyped, AgreesWithThePlainProductForAllTransposesModesAndEpilogues) {
  const OpBench bench;
  const int64_t shapes[][4] = {{1, 1, 1, 1},   {1, 0, 3, 5},   {1, 3, 0, 5},    {1, 3, 5, 0},
                               {0, 3, 5, 7},   {1, 1, 7, 5},   {1, 7, 1, 5},    {1, 5, 7, 1},
                               {2, 3, 5, 7},   {3, 17, 19, 0}, {3, 17, 19, 23}, {2, 64, 64, 64},
                               {1, 1, 259, 64}};
  for (const auto& [batch, m, n, k] : shapes) {
    for (const Transpose a : kBoth) {
      for (const Transpose b : kBoth) {
        for (const GradMode mode : {GradMode::kOverwrite, GradMode::kAccumulate}) {
          for (const Epilogue epilogue : {Epilogue::kNone, Epilogue::kBias}) {
            ExpectCorrect<TypeParam>(bench, {.batch = batch,
                                             .m = m,
                                             .n = n,
                                             .k = k,
                                             .dtype = DTypeOf<TypeParam>,
                                             .transpose_a = a,
                                             .transpose_b = b,
                                             .mode = mode,
                                             .epilogue = epilogue});
          }
        }
      }
    }
  }
}

TYPED_TEST(GemmTyped, AgreesWithThePlainProductAcrossManyTiles) {
  const OpBench bench;
  for (const Transpose a : kBoth) {
    for (const Transpose b : kBoth) {
      ExpectCorrect<TypeParam>(bench, {.m = 389,
                                       .n = 277,
                                       .k = 131,
                                       .dtype = DTypeOf<TypeParam>,
                                       .transpose_a = a,
                                       .transpose_b = b,
                                       .epilogue = Epilogue::kBias});
    }
  }
}

TYPED_TEST(GemmTyped, GivesTheSameBitsForAnyNumberOfThreads) {
  for (const Transpose b : kBoth) {
    const GemmSpec spec = {.batch = 2,
                           .m = 277,
                           .n = 523,
                           .k = 129,
                           .dtype = DTypeOf<TypeParam>,
                           .transpose_b = b,
                           .mode = GradMode::kAccumulate,
                           .epilogue = Epilogue::kBias};
    const Operands<TypeParam> in = RandomOperands<TypeParam>(spec);
    const std::vector<TypeParam> one = RunGemm(OpBench(1), spec, in);
    EXPECT_TRUE(BitEqual(one, RunGemm(OpBench(2), spec, in)));
    EXPECT_TRUE(BitEqual(one, RunGemm(OpBench(3), spec, in)));
  }
}

TYPED_TEST(GemmTyped, GivesTheSameBitsToConcurrentRanksOfOnePool) {
  const GemmSpec spec = {.m = 277, .n = 523, .k = 129, .dtype = DTypeOf<TypeParam>};
  const Operands<TypeParam> in = RandomOperands<TypeParam>(spec);
  const std::vector<TypeParam> alone = RunGemm(OpBench(1), spec, in);
  const auto pool = MakeThreadPool(2);
  std::vector<int> equal(3, 0);
  {
    std::vector<std::jthread> ranks;
    for (int& rank_equal : equal) {
      ranks.emplace_back([&] {
        const OpBench bench(pool);
        rank_equal = 1;
        for (int round = 0; round < 5; ++round) {
          rank_equal &= BitEqual(alone, RunGemm(bench, spec, in)) ? 1 : 0;
        }
      });
    }
  }
  EXPECT_THAT(equal, ::testing::Each(1));
}

// Operands inside wider rows, one matrix B for all batch entries; what lies between the rows of C
// stays as it was.
TYPED_TEST(GemmTyped, ReadsAndWritesStridedRows) {
  const OpBench bench;
  GemmSpec spec = {.batch = 2, .m = 5, .n = 7, .k = 3, .dtype = DTypeOf<TypeParam>};
  Operands<TypeParam> in = RandomOperands<TypeParam>(spec);
  std::copy_n(in.b.begin(), spec.k * spec.n, in.b.begin() + spec.k * spec.n);
  const std::vector<TypeParam> plain = PlainGemm<TypeParam>(spec, in);
  const std::vector<long double> exact = PlainGemm<long double>(spec, in);
  const std::vector<TypeParam> packed = RunGemm(bench, spec, in);

  spec.row_stride_a = 11;
  spec.row_stride_c = 13;
  const GuardedTensor<TypeParam> b(bench, {3, 7}, {in.b.begin(), in.b.begin() + spec.k * spec.n});
  GuardedTensor<TypeParam> c(bench, {2, 5, 13});
  c.Set(std::vector<TypeParam>(2 * 5 * 13, TypeParam{-1}));
  std::vector<TypeParam> wide_a(2 * 5 * 11, std::numeric_limits<TypeParam>::quiet_NaN());
  for (size_t row = 0; row < 10; ++row) {
    std::copy_n(in.a.begin() + static_cast<int64_t>(row * 3), 3,
                wide_a.begin() + static_cast<int64_t>(row * 11 + 2));
  }
  const GuardedTensor<TypeParam> a(bench, {2, 5, 11}, wide_a);
  const auto plan = MakePlan(*bench.device, spec);
  GemmArgs args;
  args.plan = plan.get();
  args.a.data = a.view().Slice(2, 2, 5);
  args.b.data = ConstTensorView(b.view().raw(), DTypeOf<TypeParam>, {2, 3, 7}, {0, 7, 1});
  args.c = c.view().Slice(2, 4, 11);
  const Tensor workspace = WorkspaceOf(bench, *plan);
  args.workspace = workspace;
  Gemm(args, *bench.stream);
  bench.Synchronize();
  const std::vector<TypeParam> wide_c = c.Get();
  std::vector<TypeParam> inside;
  for (size_t i = 0; i < wide_c.size(); ++i) {
    const size_t j = i % 13;
    if (j >= 4 && j < 11) {
      inside.push_back(wide_c[i]);
    } else {
      EXPECT_EQ(wide_c[i], TypeParam{-1});
    }
  }
  ExpectAsGoodAsPlain(inside, plain, exact, "C");
  // On a GPU the alignment of rows has a say in the algorithm.
  if (kTestDevice == DeviceKind::kCpu) {
    EXPECT_TRUE(BitEqual(inside, packed));
  }
}

// Behind an odd number of elements.
TYPED_TEST(GemmTyped, AddsABiasThatIsAlignedToItsElementsOnly) {
  const OpBench bench;
  const GemmSpec spec = {
      .m = 24, .n = 40, .k = 16, .dtype = DTypeOf<TypeParam>, .epilogue = Epilogue::kBias};
  const Operands<TypeParam> in = RandomOperands<TypeParam>(spec);
  std::vector<TypeParam> wide_bias(in.bias);
  wide_bias.insert(wide_bias.begin(), std::numeric_limits<TypeParam>::quiet_NaN());
  const GuardedTensor<TypeParam> a(bench, {24, 16}, in.a), b(bench, {16, 40}, in.b);
  const GuardedTensor<TypeParam> bias(bench, {41}, wide_bias), c(bench, {24, 40});
  const auto plan = MakePlan(*bench.device, spec);
  const Tensor workspace = WorkspaceOf(bench, *plan);
  Gemm({.plan = plan.get(),
        .a = {.data = a},
        .b = {.data = b},
        .bias_N = bias.view().Slice(0, 1, 41),
        .c = c,
        .workspace = workspace},
       *bench.stream);
  bench.Synchronize();
  ExpectAsGoodAsPlain(c.Get(), PlainGemm<TypeParam>(spec, in), PlainGemm<long double>(spec, in),
                      "C");
}

TEST(GemmChoice, CoversCAndKeepsManyThreadsBusy) {
  const int64_t shapes[][3] = {{2048, 8192, 256}, {2048, 256, 256}, {256, 768, 2048},
                               {8192, 256, 2048}, {4096, 4096, 64}, {1, 8192, 4096},
                               {513, 1, 7},       {1, 1, 1}};
  for (const auto& [m, n, k] : shapes) {
    const GemmTiles tiles = ChooseGemmTiles({.m = m, .n = n, .k = k, .dtype = DType::kF32}, {});
    EXPECT_GE(tiles.tile_m * tiles.num_m, m);
    EXPECT_LT(tiles.tile_m * (tiles.num_m - 1), m);
    EXPECT_GE(tiles.tile_n * tiles.num_n, n);
    EXPECT_LT(tiles.tile_n * (tiles.num_n - 1), n);
    EXPECT_LE(tiles.num_m * tiles.num_n, 128);
    if (m * n * k >= int64_t{1} << 27) {
      EXPECT_GE(tiles.num_m * tiles.num_n, 12) << m << " " << n << " " << k;
    }
  }
}

TEST(GemmChoice, DoesNotCutWhatABatchAlreadyDivides) {
  const GemmTiles tiles =
      ChooseGemmTiles({.batch = 64, .m = 512, .n = 512, .k = 64, .dtype = DType::kF32}, {});
  EXPECT_EQ(tiles.num_m * tiles.num_n, 1);
}

TEST(GemmChoice, OwnTilesGiveEveryThreadItsShare) {
  DeviceProperties properties;
  properties.avx512 = true;
  GemmSpec spec = {.m = 3072, .n = 576, .k = 1024, .dtype = DType::kF32};
  EXPECT_EQ(ChooseGemmLibrary(spec, properties), GemmLibrary::kOneDnn);
  spec.transpose_a = Transpose::kYes;
  EXPECT_EQ(ChooseGemmLibrary(spec, properties), GemmLibrary::kTransposedAvx512);
  for (const int threads : {1, 2, 3, 8, 12}) {
    properties.compute_units = threads;
    const GemmTiles tiles = ChooseGemmTiles(spec, properties);
    const int64_t tasks = tiles.num_m * tiles.num_n;
    EXPECT_GE(tiles.tile_m * tiles.num_m, spec.m);
    EXPECT_GE(tiles.tile_n * tiles.num_n, spec.n);
    EXPECT_TRUE(tasks % threads == 0 || tasks >= 4 * threads) << tasks << " for " << threads;
    EXPECT_LE(tasks, std::max(12, 8 * threads));
  }
  spec.k = 7;
  EXPECT_EQ(ChooseGemmLibrary(spec, properties), GemmLibrary::kOneDnn);
}

TEST(GemmCost, CountsProductsAndCompulsoryBytes) {
  const OpBench bench;
  const auto plan = MakePlan(
      *bench.device,
      GemmSpec{
          .batch = 2, .m = 3, .n = 5, .k = 7, .dtype = DType::kF32, .mode = GradMode::kAccumulate});
  GemmArgs args;
  args.plan = plan.get();
  const OpCost cost = Cost(args);
  EXPECT_EQ(cost.flops, 2 * 2 * 3 * 5 * 7);
  EXPECT_EQ(cost.bytes, 4 * 2 * (3 * 7 + 7 * 5 + 2 * 3 * 5));
}

TEST(GemmErrors, NameTheOpAndTheArgument) {
  const OpBench bench;
  const GemmSpec spec = {.m = 3, .n = 5, .k = 7, .dtype = DType::kF32};
  const auto plan = MakePlan(*bench.device, spec);
  const GuardedTensor<float> a(bench, {3, 7}), b(bench, {7, 5}), c(bench, {3, 5}), bias(bench, {5});
  const GuardedTensor<double> wide(bench, {3, 7});
  GemmArgs good;
  good.plan = plan.get();
  good.a.data = a;
  good.b.data = b;
  good.c = c;
  const auto error_of = [&](auto change) {
    GemmArgs args = good;
    change(args);
    return ErrorOf([&] { Gemm(args, *bench.stream); });
  };
  EXPECT_THAT(error_of([](GemmArgs& x) { x.plan = nullptr; }),
              AllOf(HasSubstr("Gemm"), HasSubstr("plan")));
  EXPECT_THAT(error_of([](GemmArgs& x) { x.a.data = {}; }),
              AllOf(HasSubstr("Gemm: a"), HasSubstr("absent")));
  EXPECT_THAT(error_of([&](GemmArgs& x) { x.a.data = wide; }), HasSubstr("Gemm: a F64[3, 7]"));
  EXPECT_THAT(error_of([&](GemmArgs& x) { x.b.data = a; }), HasSubstr("Gemm: b F32[3, 7]"));
  EXPECT_THAT(error_of([&](GemmArgs& x) { x.c = a.view(); }), HasSubstr("Gemm: c F32[3, 7]"));
  EXPECT_THAT(error_of([&](GemmArgs& x) { x.bias_N = bias; }), HasSubstr("Gemm: bias"));
  EXPECT_THAT(error_of([&](GemmArgs& x) { x.a.scale = bias; }), HasSubstr("Gemm: a: its scale"));
  EXPECT_THAT(error_of([&](GemmArgs& x) {
                x.a.data = ConstTensorView(a.view().raw(), DType::kF32, {3, 7}, {6, 1});
              }),
              AllOf(HasSubstr("Gemm: a"), HasSubstr("6 elements apart"), HasSubstr("7")));
  const auto plan_error = [&](GemmSpec bad) {
    return ErrorOf([&] { MakePlan(*bench.device, bad); });
  };
  EXPECT_THAT(plan_error({.m = -1, .dtype = DType::kF32}), HasSubstr("Gemm plan"));
  EXPECT_THAT(plan_error({.m = 1}), HasSubstr("dtype"));
  EXPECT_THAT(plan_error({.m = 2, .n = 8, .k = 2, .dtype = DType::kF32, .row_stride_c = 7}),
              HasSubstr("row_stride_c"));
}

TEST(GemmOnSim, IsRecordedWithItsCost) {
  DeviceOptions options;
  options.kind = DeviceKind::kSim;
  const auto device = OpenDevice(options);
  const auto stream = device->NewStream(StreamKind::kCompute, "compute");
  const auto plan = MakePlan(*device, GemmSpec{.m = 3, .n = 5, .k = 7, .dtype = DType::kF32});
  const Tensor a(DType::kF32, {3, 7}, MemoryCategory::kWeights, *stream);
  const Tensor b(DType::kF32, {7, 5}, MemoryCategory::kWeights, *stream);
  const Tensor c(DType::kF32, {3, 5}, MemoryCategory::kWeights, *stream);
  GemmArgs args;
  args.plan = plan.get();
  args.a.data = a;
  args.b.data = b;
  args.c = c;
  Gemm(args, *stream);
  ASSERT_EQ(device->trace()->entries().size(), 1U);
  const TraceEntry& entry = device->trace()->entries()[0];
  EXPECT_EQ(entry.name, "Gemm");
  EXPECT_EQ(entry.cost.flops, 2 * 3 * 5 * 7);
  EXPECT_EQ(entry.accesses.size(), 3U);
}

}  // namespace
}  // namespace cadmus
