// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/reduce.h"

#include <cmath>

#include "kernels/cpu/device.h"
#include "kernels/cpu/numeric.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/storage.h"
#include "kernels/cpu/stream.h"

namespace cadmus::cpu {
namespace {

struct Identity {
  static double Of(double x) { return x; }
};
struct Square {
  static double Of(double x) { return x * x; }
};

// Each block sums in lanes, then the blocks in their order.
template <class T, class Term, class Args>
void Reduce(const Args& args, ThreadPool& pool) {
  const int64_t n = args.x_N.dim(0);
  const T* const x = args.x_N.template data<T>();
  double* const partials = static_cast<double*>(args.workspace.raw());
  ForPieces(pool, n, kReduceBlock, [&](int64_t begin, int64_t end) {
    partials[begin / kReduceBlock] =
        Sum<double>(end - begin, [&](int64_t i) { return Term::Of(double(x[begin + i])); });
  });
  double total = 0;
  for (int64_t block = 0; block * kReduceBlock < n; ++block) total += partials[block];
  double* const out = args.out.template data<double>();
  out[0] = args.mode == GradMode::kAccumulate ? out[0] + total : total;
}

template <class Term, class Args>
void RunReduce(const Args& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.x_N.dtype(), [&]<class T>(Storage<T>) { Reduce<T, Term>(args, pool); });
  });
}

}  // namespace

void Sum(const SumArgs& args, Stream& stream) { RunReduce<Identity>(args, stream); }
void SquaredNorm(const SquaredNormArgs& args, Stream& stream) { RunReduce<Square>(args, stream); }

void ClipFactor(const ClipFactorArgs& args, Stream& stream) {
  Run(stream, [args] {
    const double norm = std::sqrt(args.squared_norm.data<double>()[0]);
    const double factor = args.max_norm / (norm + 1e-6);
    const bool keeps = args.max_norm == 0 || factor >= 1;  // false for NaN, which must be seen
    args.norm.data<double>()[0] = norm;
    static_cast<StepScalars*>(args.scalars.raw())->clip_factor = keeps ? 1.0 : factor;
  });
}

}  // namespace cadmus::cpu
