// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/device.h"
#include "kernels/cpu/numeric.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/storage.h"
#include "kernels/cpu/stream.h"

namespace cadmus::cpu {
namespace {

template <class T>
void Compute(const CrossEntropyArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  const int64_t tokens = args.logits_TV.dim(0);
  const int64_t vocabulary = args.logits_TV.dim(1);
  T* const logits = args.logits_TV.data<T>();
  const int32_t* const labels = args.labels_T.data<int32_t>();
  S* const losses = args.loss_T.data<S>();
  const bool writes = args.gradient == LogitGradient::kWriteOverLogits;
  const double loss_scale =
      writes ? static_cast<const StepScalars*>(args.scalars.raw())->loss_scale : 0;
  for (int64_t t = 0; t < tokens; ++t) {
    CADMUS_CHECK(labels[t] < vocabulary,
                 StrCat("label ", labels[t], " of token ", t, " in a vocabulary of ", vocabulary));
  }
  ForPieces(pool, tokens, RowsPerTask(vocabulary), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      T* const row = logits + t * vocabulary;
      const int32_t label = labels[t];
      if (label < 0) {
        losses[t] = 0;
        if (writes) std::fill_n(row, vocabulary, T(0));
        continue;
      }
      // A NaN is passed over here and comes back through its exponential.
      const S maximum = Max<S>(vocabulary, [row](int64_t v) { return S(row[v]); });
      const double sum =
          Sum<double>(vocabulary, [&](int64_t v) { return double(Exp(S(row[v]) - maximum)); });
      const double label_logit = double(row[label]) - double(maximum);
      losses[t] = static_cast<S>(std::log(sum) - label_logit);
      if (!writes) continue;
      const S scale = static_cast<S>(loss_scale / sum);
      const S label_gradient = static_cast<S>((std::exp(label_logit) / sum - 1.0) * loss_scale);
#pragma omp simd
      for (int64_t v = 0; v < vocabulary; ++v) {
        row[v] = static_cast<T>(Exp(S(row[v]) - maximum) * scale);
      }
      row[label] = static_cast<T>(label_gradient);
    }
  });
}

}  // namespace

void CrossEntropy(const CrossEntropyArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.logits_TV.dtype(), [&]<class T>(Storage<T>) { Compute<T>(args, pool); });
  });
}

}  // namespace cadmus::cpu
