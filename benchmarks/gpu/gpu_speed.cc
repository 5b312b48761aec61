// SPDX-License-Identifier: Apache-2.0
// gpu_speed GROUP RESULTS [--smoke]: the cases of one group (gemm, memory_bound, attention) under
// the timing protocol; a JSON line per case is appended to RESULTS as soon as it is measured.
// --smoke: blocks of a tenth of the time and only two of a side, to see that all runs. Exits with
// 77 where there is no GPU.
#include <fstream>
#include <iostream>
#include <string_view>

#include "benchmarks/gpu/best_of_blas.h"
#include "benchmarks/gpu/gpu_machine.h"
#include "benchmarks/gpu/speed_cases.h"
#include "kernels/base/error.h"

namespace cadmus::gpu_speed {
namespace {

constexpr int kSkipped = 77;
constexpr int64_t kMemoryBytes = int64_t{20} << 30;
constexpr timing::Protocol kSmoke = {
    .block_seconds = 0.03, .dropped_seconds = 0.005, .chunk_seconds = 0.001, .blocks_per_side = 2};

std::unique_ptr<cuda::CudaDevice> OpenGpu() {
  try {
    return cuda::CudaDevice::Open(kMemoryBytes);
  } catch (const Error& error) {
    if (error.kind() != Kind::kConfig) throw;
    std::cout << "skipped: " << error.message() << "\n";
    return nullptr;
  }
}

int Usage() {
  std::cerr << "usage: gpu_speed gemm|memory_bound|attention RESULTS [--smoke]\n";
  return 2;
}

int Main(int argc, char** argv) {
  if (argc < 3 || argc > 4) return Usage();
  const std::string_view group = argv[1];
  const bool is_smoke = argc == 4 && argv[3] == std::string_view("--smoke");
  const bool is_known = group == "gemm" || group == "memory_bound" || group == "attention";
  if (!is_known || (argc == 4 && !is_smoke)) return Usage();
  const auto device = OpenGpu();
  if (device == nullptr) return kSkipped;
  std::ofstream results(argv[2], std::ios::app);
  if (!results) throw Error(Kind::kConfig, StrCat(argv[2], ": cannot be written"));
  const auto stream = device->NewStream(StreamKind::kCompute, "compute");
  GpuMachine machine(*device, *stream);
  std::cout << device->properties().name << ", " << machine.uuid() << ", L2 "
            << (machine.cache_bytes() >> 20) << " MiB" << std::endl;
  SpeedRun run = {.stream = *stream,
                  .machine = machine,
                  .protocol = is_smoke ? kSmoke : timing::Protocol{},
                  .cache_bytes = machine.cache_bytes(),
                  .results = results,
                  .people = std::cout};
  if (group == "gemm") {
    BestOfBlas rival(*stream);
    RunGemmCases(run, rival);
  } else if (group == "memory_bound") {
    RunMemoryBoundCases(run);
  } else {
    RunAttentionCases(run);
  }
  return 0;
}

}  // namespace
}  // namespace cadmus::gpu_speed

int main(int argc, char** argv) {
  try {
    return cadmus::gpu_speed::Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
