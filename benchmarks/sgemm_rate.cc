// SPDX-License-Identifier: Apache-2.0
// sgemm_rate THREADS: reads lines "m n k op(A) op(B) count" (ops N or T), computes every product
// with dnnl_sgemm on plain row-major matrices, three times, and prints one JSON object: the
// operations of all products, counts included, and the seconds they take at each one's best.
#include <dnnl.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <vector>

namespace {

double BestSeconds(int64_t m, int64_t n, int64_t k, char op_a, char op_b) {
  const auto size = [](int64_t rows, int64_t columns) {
    return static_cast<size_t>(rows * columns);
  };
  const std::vector<float> a(size(m, k), 0.5f), b(size(k, n), 0.25f);
  std::vector<float> c(size(m, n));
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < 3; ++run) {
    const auto start = std::chrono::steady_clock::now();
    const dnnl_status_t status = dnnl_sgemm(op_a, op_b, m, n, k, 1, a.data(), op_a == 'T' ? m : k,
                                            b.data(), op_b == 'T' ? k : n, 0, c.data(), n);
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    if (status != dnnl_success) {
      std::cerr << "dnnl_sgemm returned " << status << '\n';
      std::exit(1);
    }
    best = std::min(best, spent.count());
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || std::atoi(argv[1]) < 1) {
    std::cerr << "usage: sgemm_rate THREADS < SHAPES\n";
    return 2;
  }
  omp_set_num_threads(std::atoi(argv[1]));
  double flops = 0, seconds = 0;
  int64_t m = 0, n = 0, k = 0, count = 0;
  char op_a = 'N', op_b = 'N';
  while (std::cin >> m >> n >> k >> op_a >> op_b >> count) {
    flops += 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) *
             static_cast<double>(count);
    seconds += BestSeconds(m, n, k, op_a, op_b) * static_cast<double>(count);
  }
  std::cout << "{\"flops\": " << flops << ", \"seconds\": " << seconds << "}\n";
  return 0;
}
