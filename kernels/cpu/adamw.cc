// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/adamw.h"

#include <cmath>

#include "kernels/cpu/device.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/storage.h"
#include "kernels/cpu/stream.h"

namespace cadmus::cpu {
namespace {

// G: of gradients, O: of the optimizer.
template <class G, class O>
void Update(const AdamWArgs& args, ThreadPool& pool) {
  const auto& scalars = *static_cast<const StepScalars*>(args.scalars.raw());
  CADMUS_CHECK(scalars.step >= 1, StrCat("step = ", scalars.step, "; AdamW counts from 1"));
  const double step = static_cast<double>(scalars.step);
  const O clip = static_cast<O>(scalars.clip_factor);
  const O beta1 = static_cast<O>(args.beta1);
  const O beta2 = static_cast<O>(args.beta2);
  const O one_less_beta1 = static_cast<O>(1.0 - args.beta1);
  const O one_less_beta2 = static_cast<O>(1.0 - args.beta2);
  const O root_correction2 = static_cast<O>(std::sqrt(1.0 - std::pow(args.beta2, step)));
  const O epsilon = static_cast<O>(args.epsilon);
  const O shrink = static_cast<O>(1.0 - scalars.learning_rate * args.weight_decay);
  const O rate = static_cast<O>(scalars.learning_rate / (1.0 - std::pow(args.beta1, step)));
  const G* const grad = args.grad_N.data<G>();
  O* const master = args.master_N.data<O>();
  O* const m = args.m_N.data<O>();
  O* const v = args.v_N.data<O>();
  ForPieces(pool, args.master_N.dim(0), kElementsPerTask, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const O g = static_cast<O>(grad[i]) * clip;
      m[i] = beta1 * m[i] + one_less_beta1 * g;
      v[i] = beta2 * v[i] + one_less_beta2 * g * g;
      const O update = m[i] / (std::sqrt(v[i]) / root_correction2 + epsilon);
      master[i] = master[i] * shrink - rate * update;
    }
    if (!args.weight_N) return;
    DispatchFloat(args.weight_N.dtype(), [&]<class W>(Storage<W>) {
      W* const weight = args.weight_N.data<W>();
#pragma GCC ivdep
      for (int64_t i = begin; i < end; ++i) weight[i] = static_cast<W>(master[i]);
    });
  });
}

}  // namespace

void AdamW(const AdamWArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.grad_N.dtype(), [&]<class G>(Storage<G>) {
      DispatchWide(args.master_N.dtype(), [&]<class O>(Storage<O>) { Update<G, O>(args, pool); });
    });
  });
}

}  // namespace cadmus::cpu
