// SPDX-License-Identifier: Apache-2.0
// oneDNN's own products of bf16, which a processor without the instructions never chooses: oneDNN
// emulates them on any AVX-512, so that the path is tested there too.
#include "kernels/cpu/bf16_matmul.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/base/philox.h"
#include "kernels/cpu/bf16_product.h"
#include "kernels/cpu/device.h"
#include "kernels/cpu/gemm_bf16.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/device/tensor.h"

namespace cadmus::cpu {
namespace {

constexpr Transpose kBoth[] = {Transpose::kNo, Transpose::kYes};

std::vector<BFloat16> Values(int64_t count, std::string_view name) {
  const PhiloxKey key = DeriveKey(7, 0, SiteOf(name));
  std::vector<BFloat16> values;
  for (int64_t i = 0; i < count; ++i) {
    const PhiloxWords words = Philox(key, {static_cast<uint32_t>(i), 0, 0, 0});
    values.emplace_back(2 * UniformFromWord(words[0]) - 1);
  }
  return values;
}

class NativeBf16 : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!__builtin_cpu_supports("avx512bw"))
      GTEST_SKIP() << "oneDNN multiplies bf16 on AVX-512 only; this processor has none";
  }
};

struct Operands {
  int64_t m, n, k;
  std::vector<BFloat16> a = Values(m * k, "a"), b = Values(k * n, "b"), bias = Values(n, "bias"),
                        c = Values(m * n, "c");
};

// op(A) · op(B) (+ C) (+ bias) in f64.
std::vector<double> Exact(const GemmSpec& spec, const Operands& in) {
  std::vector<double> c;
  for (int64_t i = 0; i < in.m; ++i) {
    for (int64_t j = 0; j < in.n; ++j) {
      double sum = 0;
      if (spec.mode == GradMode::kAccumulate) sum = in.c[static_cast<size_t>(i * in.n + j)];
      if (spec.epilogue == Epilogue::kBias) sum += in.bias[static_cast<size_t>(j)];
      for (int64_t x = 0; x < in.k; ++x) {
        const int64_t a_at = spec.transpose_a == Transpose::kYes ? x * in.m + i : i * in.k + x;
        const int64_t b_at = spec.transpose_b == Transpose::kYes ? j * in.k + x : x * in.n + j;
        sum += double{in.a[static_cast<size_t>(a_at)]} * double{in.b[static_cast<size_t>(b_at)]};
      }
      c.push_back(sum);
    }
  }
  return c;
}

// The gemm op on a plan of this library, on `num_threads` threads. C: BFloat16 or float.
template <class C>
std::vector<C> RunGemm(GemmSpec spec, const Operands& in, GemmLibrary library, int num_threads) {
  spec.m = in.m, spec.n = in.n, spec.k = in.k;
  spec.dtype = DType::kBF16;
  spec.dtype_c = DTypeOf<C>;
  CpuDevice device(int64_t{1} << 24, std::make_shared<ThreadPool>(num_threads),
                   CpuStreams::kInline);
  const auto stream = device.NewStream(StreamKind::kCompute, "compute");
  DeviceProperties properties;
  properties.bf16_products = library == GemmLibrary::kOneDnnBf16;
  const auto plan = MakeBf16GemmPlan(spec, properties);
  EXPECT_THAT(plan->kernel, ::testing::StartsWith(std::string(Name(library))));
  std::vector<C> c(in.c.begin(), in.c.end());
  const auto matrix = [](const std::vector<BFloat16>& values, int64_t rows, int64_t columns,
                         Transpose transpose) {
    if (transpose == Transpose::kYes) std::swap(rows, columns);
    return ConstTensorView(values.data(), DType::kBF16, {rows, columns});
  };
  GemmArgs args = {.plan = plan.get(),
                   .a = {.data = matrix(in.a, in.m, in.k, spec.transpose_a)},
                   .b = {.data = matrix(in.b, in.k, in.n, spec.transpose_b)},
                   .c = TensorView(c.data(), DTypeOf<C>, {in.m, in.n})};
  if (spec.epilogue == Epilogue::kBias)
    args.bias_N = ConstTensorView(in.bias.data(), DType::kBF16, {in.n});
  Bf16Gemm(args, *stream);
  stream->Synchronize(device.wait_limit());
  return c;
}

template <class C>
void ExpectNear(const GemmSpec& spec, const Operands& in, const std::vector<double>& exact,
                const std::string& what) {
  const auto native = RunGemm<C>(spec, in, GemmLibrary::kOneDnnBf16, 2);
  // Sums of k products of magnitudes below 1 in f32, rounded once.
  const double sum_bound = static_cast<double>(in.k + 2) * static_cast<double>(in.k + 2) * 0x1p-24;
  for (size_t i = 0; i < exact.size(); ++i) {
    const double rounding = double{std::numeric_limits<C>::epsilon()} * std::fabs(exact[i]);
    ASSERT_NEAR(double{native[i]}, exact[i], sum_bound + rounding) << what << ", element " << i;
  }
}

TEST_F(NativeBf16, GemmOfAllTransposesModesEpiloguesAndOutputs) {
  // The last has tiles of four sizes.
  for (const Operands& in :
       {Operands{1, 1, 1}, Operands{3, 5, 7}, Operands{17, 67, 31}, Operands{290, 275, 130}}) {
    for (int choice = 0; choice < 16; ++choice) {
      const GemmSpec spec = {.transpose_a = kBoth[choice & 1],
                             .transpose_b = kBoth[choice >> 1 & 1],
                             .mode = choice & 4 ? GradMode::kAccumulate : GradMode::kOverwrite,
                             .epilogue = choice & 8 ? Epilogue::kBias : Epilogue::kNone};
      const std::string what = StrCat("m ", in.m, " n ", in.n, " k ", in.k, " choice ", choice);
      const auto exact = Exact(spec, in);
      ExpectNear<BFloat16>(spec, in, exact, what);
      ExpectNear<float>(spec, in, exact, what + ", f32");
    }
  }
}

TEST_F(NativeBf16, ThreadsChangeNoBitAndWholeNumbersAreExact) {
  Operands in = {290, 275, 130};
  const auto one = RunGemm<float>({}, in, GemmLibrary::kOneDnnBf16, 1);
  EXPECT_EQ(RunGemm<float>({}, in, GemmLibrary::kOneDnnBf16, 3), one);
  for (auto* values : {&in.a, &in.b}) {
    for (size_t i = 0; i < values->size(); ++i)
      (*values)[i] = BFloat16(static_cast<int>(i % 7) - 3);
  }
  const auto exact = Exact({}, in);
  const auto native = RunGemm<float>({}, in, GemmLibrary::kOneDnnBf16, 2);
  const auto widened = RunGemm<float>({}, in, GemmLibrary::kConvertedBf16, 2);
  EXPECT_EQ(std::vector<double>(native.begin(), native.end()), exact);
  EXPECT_EQ(widened, native);
}

TEST_F(NativeBf16, AnEmptySumIsWhatIsAddedToIt) {
  const Operands in = {3, 5, 0};
  const GemmSpec spec = {.mode = GradMode::kAccumulate, .epilogue = Epilogue::kBias};
  const auto exact = Exact(spec, in);
  ExpectNear<BFloat16>(spec, in, exact, "k 0");
  ExpectNear<float>(spec, in, exact, "k 0, f32");
}

}  // namespace
}  // namespace cadmus::cpu
