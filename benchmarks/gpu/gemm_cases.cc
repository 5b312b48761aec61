// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "benchmarks/gpu/llama_8b.h"
#include "benchmarks/gpu/speed_cases.h"
#include "kernels/base/error.h"

namespace cadmus::gpu_speed {
namespace {

struct Linear {
  const char* name;
  int64_t num_outputs, num_inputs;
};
constexpr Linear kLayers[] = {{"out", kWidth, kWidth},
                              {"qkv", (kHeads + 2 * kKvHeads) * kHeadDim, kWidth},
                              {"down", kWidth, kHidden},
                              {"gate_up", 2 * kHidden, kWidth},
                              {"head", kVocabulary, kWidth}};

GemmSpec Forward(const Linear& layer) {
  return {.m = kTokens,
          .n = layer.num_outputs,
          .k = layer.num_inputs,
          .dtype = DType::kBF16,
          .transpose_b = Transpose::kYes};
}

GemmSpec BackwardInput(const Linear& layer) {
  return {.m = kTokens, .n = layer.num_inputs, .k = layer.num_outputs, .dtype = DType::kBF16};
}

GemmSpec BackwardWeight(const Linear& layer) {
  return {.m = layer.num_outputs,
          .n = layer.num_inputs,
          .k = kTokens,
          .dtype = DType::kBF16,
          .dtype_c = DType::kF32,
          .transpose_a = Transpose::kYes};
}

GemmArgs ProductSet(Buffers& b, const GemmPlan& plan) {
  const GemmSpec& s = plan.spec;
  const bool a_yes = s.transpose_a == Transpose::kYes, b_yes = s.transpose_b == Transpose::kYes;
  return {.plan = &plan,
          .a = {.data = b.Uniform(s.dtype, a_yes ? Shape{s.k, s.m} : Shape{s.m, s.k})},
          .b = {.data = b.Uniform(s.dtype, b_yes ? Shape{s.n, s.k} : Shape{s.k, s.n})},
          .c = b.Empty(OutputDType(s), {s.m, s.n})};
}

std::vector<double> FirstRows(const TensorView& c, Stream& stream) {
  const TensorView rows = c.Slice(0, 0, 64);
  std::vector<std::byte> bytes(static_cast<size_t>(rows.num_bytes()));
  const TensorView host(bytes.data(), rows.dtype(), rows.shape());
  Device& device = stream.device();
  device.CopyToHost(host, rows, stream);
  stream.Synchronize(device.wait_limit());
  std::vector<double> values(static_cast<size_t>(rows.num_elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = rows.dtype() == DType::kF32 ? host.data<float>()[i] : host.data<BFloat16>()[i];
  }
  return values;
}

// Both sides must have computed the same, up to bf16's rounding: ‖x − y‖ ≤ 1 % of ‖y‖.
void RequireAgreement(const std::string& name, const std::vector<double>& x,
                      const std::vector<double>& y) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    difference += std::pow(x[i] - y[i], 2);
    norm += std::pow(y[i], 2);
  }
  if (!(std::sqrt(difference) < 0.01 * std::sqrt(norm))) {
    throw Error(Kind::kNumerics, StrCat(name, ": the two sides differ by ", std::sqrt(difference),
                                        " where the norm is ", std::sqrt(norm)));
  }
}

void RunCase(SpeedRun& run, GemmRival& rival, const std::string& name, const GemmSpec& spec) {
  Device& device = run.stream.device();
  const auto plan = MakePlan(device, spec);
  Buffers buffers(run.stream);
  const TensorView workspace = plan->workspace_bytes == 0
                                   ? TensorView()
                                   : buffers.Empty(DType::kU8, {plan->workspace_bytes});
  const auto sets = RotatingSets<GemmArgs>(run, buffers, [&](Buffers& b) {
    GemmArgs args = ProductSet(b, *plan);
    args.workspace = workspace;
    return args;
  });
  rival.Prepare(sets, run);
  if (device.holds_values()) {
    Gemm(sets.front(), run.stream);
    const auto ours = FirstRows(sets.front().c, run.stream);
    device.FillZero(sets.front().c, run.stream);
    rival.Enqueue(sets.front());
    RequireAgreement(name, ours, FirstRows(sets.front().c, run.stream));
  }
  const auto a = InTurn<GemmArgs>("cadmus", sets, [&](const GemmArgs& s) { Gemm(s, run.stream); });
  const auto b =
      InTurn<GemmArgs>("best of cuBLASLt", sets, [&](const GemmArgs& s) { rival.Enqueue(s); });
  const double flops = Cost(sets.front()).flops;
  run.Report(name, a, &b, [&](const timing::Measurement& m) -> timing::Findings {
    return {.numbers = {{"tflops", 1e-12 * flops / m.contest->a.median},
                        {"tflops_of_b", 1e-12 * flops / m.contest->b.median}},
            .words = {{"kernel", plan->kernel}, {"kernel_of_b", rival.name()}}};
  });
}

}  // namespace

void RunGemmCases(SpeedRun& run, GemmRival& rival) {
  for (const Linear& layer : kLayers) {
    const auto name = [&](const char* pass) {
      return StrCat("gemm ", layer.name, " ", pass, ", T8192 ", layer.num_outputs, " x ",
                    layer.num_inputs, " bf16");
    };
    RunCase(run, rival, name("forward"), Forward(layer));
    RunCase(run, rival, name("input gradient"), BackwardInput(layer));
    RunCase(run, rival, name("weight gradient"), BackwardWeight(layer));
  }
}

}  // namespace cadmus::gpu_speed
