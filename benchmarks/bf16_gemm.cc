// SPDX-License-Identifier: Apache-2.0
// bf16_gemm [PAIRS]: the products of a training step of 134M parameters (benchmarks' llama-134m,
// 1024 tokens), in f32 and in bf16 in turn, in one process; medians, rates and their ratio.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "kernels/device/tensor.h"
#include "kernels/open_device.h"
#include "kernels/ops/gemm.h"
#include "kernels/ops/gemm_choice.h"

namespace cadmus {
namespace {

constexpr int64_t kTokens = 1024;

struct Case {
  const char* name;
  int64_t num_outputs, num_inputs;
};
constexpr Case kLayers[] = {{"qkv", 960, 576},
                            {"out", 576, 576},
                            {"gate_up", 3072, 576},
                            {"down", 576, 1536},
                            {"head", 49152, 576}};

enum class Pass { kForward, kBackwardInput, kBackwardWeight };

GemmSpec SpecOf(const Case& layer, Pass pass, DType dtype) {
  switch (pass) {
    case Pass::kForward:
      return {.m = kTokens,
              .n = layer.num_outputs,
              .k = layer.num_inputs,
              .dtype = dtype,
              .transpose_b = Transpose::kYes};
    case Pass::kBackwardInput:
      return {.m = kTokens, .n = layer.num_inputs, .k = layer.num_outputs, .dtype = dtype};
    case Pass::kBackwardWeight:
      return {.m = layer.num_outputs,
              .n = layer.num_inputs,
              .k = kTokens,
              .dtype = dtype,
              .dtype_c = DType::kF32,
              .transpose_a = Transpose::kYes};
  }
  std::abort();
}

// One product with its tensors.
class Runner {
 public:
  Runner(const GemmSpec& spec, Device& device, Stream& stream)
      : stream_(stream),
        plan_(MakePlan(device, spec)),
        a_(spec.dtype,
           spec.transpose_a == Transpose::kYes ? Shape{spec.k, spec.m} : Shape{spec.m, spec.k},
           MemoryCategory::kWorkspace, stream),
        b_(spec.dtype,
           spec.transpose_b == Transpose::kYes ? Shape{spec.n, spec.k} : Shape{spec.k, spec.n},
           MemoryCategory::kWorkspace, stream),
        c_(OutputDType(spec), {spec.m, spec.n}, MemoryCategory::kWorkspace, stream) {
    for (const Tensor* tensor : {&a_, &b_, &c_}) device.FillZero(*tensor, stream);
    if (plan_->workspace_bytes > 0)
      workspace_ = Tensor(DType::kU8, {plan_->workspace_bytes}, MemoryCategory::kWorkspace, stream);
  }

  double Seconds() const {
    const auto start = std::chrono::steady_clock::now();
    Gemm({.plan = plan_.get(),
          .a = {.data = a_.view()},
          .b = {.data = b_.view()},
          .c = c_,
          .workspace = workspace_.view()},
         stream_);
    stream_.Synchronize(stream_.device().wait_limit());
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  const std::string& kernel() const { return plan_->kernel; }

 private:
  Stream& stream_;
  std::shared_ptr<const GemmPlan> plan_;
  Tensor a_, b_, c_, workspace_;
};

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

void Measure(int num_pairs) {
  const auto device = OpenDevice({.memory_bytes = int64_t{4} << 30, .pool = MakeThreadPool(2)});
  const auto stream = device->NewStream(StreamKind::kCompute, "compute");
  std::printf("%s; %s; %d pairs\n", device->properties().name.c_str(),
              ReasonForBf16Library(device->properties()).c_str(), num_pairs);
  double f32_total = 0, bf16_total = 0;
  for (const Case& layer : kLayers) {
    for (const Pass pass : {Pass::kForward, Pass::kBackwardInput, Pass::kBackwardWeight}) {
      const GemmSpec spec = SpecOf(layer, pass, DType::kF32);
      const Runner f32(spec, *device, *stream);
      const Runner bf16(SpecOf(layer, pass, DType::kBF16), *device, *stream);
      std::vector<double> f32_seconds, bf16_seconds;
      for (int pair = -1; pair < num_pairs; ++pair) {
        const double a = f32.Seconds(), b = bf16.Seconds();
        if (pair < 0) continue;  // touches memory
        f32_seconds.push_back(a);
        bf16_seconds.push_back(b);
      }
      const double a = Median(f32_seconds), b = Median(bf16_seconds);
      const double giga = 2e-9 * static_cast<double>(spec.m * spec.n * spec.k);
      std::printf(
          "%-8s m %5ld n %5ld k %5ld: f32 %7.2f ms %6.1f GFLOP/s, bf16 %7.2f ms %6.1f "
          "GFLOP/s, f32/bf16 %.3f  (%s)\n",
          layer.name, spec.m, spec.n, spec.k, 1e3 * a, giga / a, 1e3 * b, giga / b, a / b,
          bf16.kernel().c_str());
      const double weight = layer.num_outputs == 49152 ? 1 : 30;
      f32_total += weight * a;
      bf16_total += weight * b;
    }
  }
  std::printf("all products of a step: f32 %.1f ms, bf16 %.1f ms, f32/bf16 %.3f\n", 1e3 * f32_total,
              1e3 * bf16_total, f32_total / bf16_total);
}

}  // namespace
}  // namespace cadmus

int main(int argc, char** argv) {
  cadmus::Measure(argc > 1 ? std::atoi(argv[1]) : 9);
  return 0;
}
