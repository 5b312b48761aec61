// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/blas.h"

#include <cblas.h>
#include <dnnl.h>
#include <omp.h>

#include <algorithm>
#include <limits>

#include "kernels/base/error.h"

namespace cadmus::cpu {
namespace {

// Both libraries bring their own threads; the pool's tiles are the only parallelism. OpenMP keeps
// its number per thread, OpenBLAS one for the process.
void UseOneThread() {
  static const bool openblas_is_set = [] {
    openblas_set_num_threads(1);
    return true;
  }();
  static thread_local const bool openmp_is_set = [] {
    omp_set_num_threads(1);
    return true;
  }();
  (void)openblas_is_set;
  (void)openmp_is_set;
}

// The cases that libraries treat differently, or whose leading dims they refuse.
template <class T>
bool DoneWithoutProduct(const Product<T>& p) {
  if (p.m == 0 || p.n == 0) return true;
  if (p.k > 0) return false;
  for (int64_t row = 0; row < p.m; ++row) {
    T* c = p.c.row(row);
    if (p.beta == 0) {
      std::fill_n(c, p.n, T{0});
    } else {
      for (int64_t column = 0; column < p.n; ++column) c[column] *= p.beta;
    }
  }
  return true;
}

// What the libraries ask of a call: op as they spell it, and leading dims that are long enough even
// where there is only one row.
struct LibraryCall {
  bool a_transposed, b_transposed;
  int64_t ld_a, ld_b, ld_c;
};

template <class T>
LibraryCall Prepare(const Product<T>& p) {
  UseOneThread();
  const bool a_transposed = p.transpose_a == Transpose::kYes;
  const bool b_transposed = p.transpose_b == Transpose::kYes;
  const auto leading = [&p](int64_t stride, int64_t rows, int64_t columns) {
    if (rows == 1) return std::max(stride, columns);
    CADMUS_CHECK(stride >= columns,
                 StrCat("rows of ", columns, " elements lie ", stride, " apart in a product of m ",
                        p.m, ", n ", p.n, ", k ", p.k));
    return stride;
  };
  return {a_transposed, b_transposed,
          leading(p.a.stride, a_transposed ? p.k : p.m, a_transposed ? p.m : p.k),
          leading(p.b.stride, b_transposed ? p.n : p.k, b_transposed ? p.k : p.n),
          leading(p.c.stride, p.m, p.n)};
}

int CheckedInt(int64_t value) {
  CADMUS_CHECK(value <= std::numeric_limits<int>::max(),
               StrCat(value, " is more than OpenBLAS can count"));
  return static_cast<int>(value);
}

}  // namespace

void Multiply(const Product<float>& p) {
  if (DoneWithoutProduct(p)) return;
  const LibraryCall call = Prepare(p);
  const dnnl_status_t status =
      dnnl_sgemm(call.a_transposed ? 'T' : 'N', call.b_transposed ? 'T' : 'N', p.m, p.n, p.k,
                 p.alpha, p.a.data, call.ld_a, p.b.data, call.ld_b, p.beta, p.c.data, call.ld_c);
  CADMUS_CHECK(status == dnnl_success, StrCat("dnnl_sgemm returned ", static_cast<int>(status),
                                              " for m ", p.m, ", n ", p.n, ", k ", p.k));
}

void Multiply(const Product<double>& p) {
  if (DoneWithoutProduct(p)) return;
  const LibraryCall call = Prepare(p);
  cblas_dgemm(CblasRowMajor, call.a_transposed ? CblasTrans : CblasNoTrans,
              call.b_transposed ? CblasTrans : CblasNoTrans, CheckedInt(p.m), CheckedInt(p.n),
              CheckedInt(p.k), p.alpha, p.a.data, CheckedInt(call.ld_a), p.b.data,
              CheckedInt(call.ld_b), p.beta, p.c.data, CheckedInt(call.ld_c));
}

}  // namespace cadmus::cpu
