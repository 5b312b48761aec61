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
    T* c = p.c + row * p.ld_c;
    if (p.beta == 0) {
      std::fill_n(c, p.n, T{0});
    } else {
      for (int64_t column = 0; column < p.n; ++column) c[column] *= p.beta;
    }
  }
  return true;
}

// A leading dim only counts from the second row on; the libraries check it for one row too.
int64_t LeadingDim(int64_t given, int64_t rows, int64_t columns) {
  return rows == 1 ? std::max(given, columns) : given;
}

}  // namespace

void Multiply(const Product<float>& p) {
  if (DoneWithoutProduct(p)) return;
  UseOneThread();
  const bool a_yes = p.transpose_a == Transpose::kYes;
  const bool b_yes = p.transpose_b == Transpose::kYes;
  const dnnl_status_t status = dnnl_sgemm(
      a_yes ? 'T' : 'N', b_yes ? 'T' : 'N', p.m, p.n, p.k, p.alpha, p.a,
      LeadingDim(p.ld_a, a_yes ? p.k : p.m, a_yes ? p.m : p.k), p.b,
      LeadingDim(p.ld_b, b_yes ? p.n : p.k, b_yes ? p.k : p.n), p.beta, p.c,
      LeadingDim(p.ld_c, p.m, p.n));
  CADMUS_CHECK(status == dnnl_success,
               StrCat("dnnl_sgemm returned ", static_cast<int>(status), " for m ", p.m, ", n ",
                      p.n, ", k ", p.k, ", ld ", p.ld_a, " ", p.ld_b, " ", p.ld_c));
}

void Multiply(const Product<double>& p) {
  if (DoneWithoutProduct(p)) return;
  UseOneThread();
  const bool a_yes = p.transpose_a == Transpose::kYes;
  const bool b_yes = p.transpose_b == Transpose::kYes;
  const int64_t ld_a = LeadingDim(p.ld_a, a_yes ? p.k : p.m, a_yes ? p.m : p.k);
  const int64_t ld_b = LeadingDim(p.ld_b, b_yes ? p.n : p.k, b_yes ? p.k : p.n);
  const int64_t ld_c = LeadingDim(p.ld_c, p.m, p.n);
  // A bad argument would end the process inside OpenBLAS.
  constexpr int64_t kLargest = std::numeric_limits<int>::max();
  CADMUS_CHECK(std::max({p.m, p.n, p.k, ld_a, ld_b, ld_c}) <= kLargest &&
                   ld_a >= (a_yes ? p.m : p.k) && ld_b >= (b_yes ? p.k : p.n) && ld_c >= p.n,
               StrCat("dgemm of m ", p.m, ", n ", p.n, ", k ", p.k, ", ld ", p.ld_a, " ", p.ld_b,
                      " ", p.ld_c));
  cblas_dgemm(CblasRowMajor, a_yes ? CblasTrans : CblasNoTrans, b_yes ? CblasTrans : CblasNoTrans,
              static_cast<int>(p.m), static_cast<int>(p.n), static_cast<int>(p.k), p.alpha, p.a,
              static_cast<int>(ld_a), p.b, static_cast<int>(ld_b), p.beta, p.c,
              static_cast<int>(ld_c));
}

}  // namespace cadmus::cpu
