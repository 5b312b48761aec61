// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/cpu/device.h"
#include "kernels/cpu/numeric.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/storage.h"
#include "kernels/cpu/stream.h"

namespace cadmus::cpu {
namespace {

void CheckLabels(const int32_t* labels, int64_t tokens, int64_t vocab_size) {
  for (int64_t t = 0; t < tokens; ++t) {
    CADMUS_CHECK(labels[t] < vocab_size,
                 StrCat("label ", labels[t], " of token ", t, " in a vocabulary of ", vocab_size));
  }
}

// What softmax needs of a whole row of logits, wherever they are.
template <class S>
struct RowStatistics {
  S maximum;
  double sum;          // of exp(logit - maximum)
  double label_logit;  // less the maximum
};

template <class S>
S Loss(const RowStatistics<S>& row) {
  return static_cast<S>(std::log(row.sum) - row.label_logit);
}

// Over `n` logits of a row; exponential(v) = exp(logits[v] - maximum). label < 0: it is not among
// them.
template <class T, class S, class Exponential>
void WriteGradient(const RowStatistics<S>& row, double loss_scale, int64_t label, int64_t n,
                   const Exponential& exponential, T* logits) {
  const S scale = static_cast<S>(loss_scale / row.sum);
#pragma GCC ivdep
  for (int64_t v = 0; v < n; ++v) logits[v] = static_cast<T>(exponential(v) * scale);
  if (label < 0) return;
  logits[label] =
      static_cast<T>(static_cast<S>((std::exp(row.label_logit) / row.sum - 1.0) * loss_scale));
}

// The label's place among `num_present` logits that start at part.first, or -1.
int64_t LocalLabel(int32_t label, const VocabularyPart& part, int64_t num_present) {
  const int64_t local = label - part.first;
  return local >= 0 && local < num_present ? local : -1;
}

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
  CheckLabels(labels, tokens, vocabulary);
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
      RowStatistics<S> statistics = {maximum, 0, double(row[label]) - double(maximum)};
      const auto exponential = [&](int64_t v) { return Exp(S(row[v]) - maximum); };
      // Where the row can hold its exponentials exactly, they are computed once.
      constexpr bool kHoldsExponentials = std::is_same_v<T, S>;
      if (kHoldsExponentials && writes) {
        statistics.sum = Sum<double>(vocabulary, [&](int64_t v) {
          return double(row[v] = static_cast<T>(exponential(v)));
        });
        WriteGradient(
            statistics, loss_scale, label, vocabulary, [row](int64_t v) { return S(row[v]); }, row);
      } else {
        statistics.sum = Sum<double>(vocabulary, [&](int64_t v) { return double(exponential(v)); });
        if (writes) WriteGradient(statistics, loss_scale, label, vocabulary, exponential, row);
      }
      losses[t] = Loss(statistics);
    }
  });
}

template <class T>
void ComputeStatistics(const LogitStatisticsArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  const int64_t tokens = args.logits_TV.dim(0);
  const int64_t width = args.logits_TV.dim(1);
  const int64_t num_present = args.part.NumPresent(width);
  const T* const logits = args.logits_TV.data<T>();
  const int32_t* const labels = args.labels_T.data<int32_t>();
  double* const maxima = args.statistics_3T.data<double>();
  double* const sums = maxima + tokens;
  double* const label_logits = sums + tokens;
  CheckLabels(labels, tokens, args.part.vocab_size);
  ForPieces(pool, tokens, RowsPerTask(width), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      if (labels[t] < 0) {
        maxima[t] = sums[t] = label_logits[t] = 0;
        continue;
      }
      const T* const row = logits + t * width;
      const S maximum = Max<S>(num_present, [row](int64_t v) { return S(row[v]); });
      // Other ranks may have finite logits: -∞ everywhere here is a sum of 0, not of exp(-∞ + ∞).
      const S reference = maximum == -std::numeric_limits<S>::infinity() ? S(0) : maximum;
      maxima[t] = maximum;
      sums[t] =
          Sum<double>(num_present, [&](int64_t v) { return double(Exp(S(row[v]) - reference)); });
      const int64_t label = LocalLabel(labels[t], args.part, num_present);
      label_logits[t] = label < 0 ? 0 : double(row[label]);
    }
  });
}

// Of token t, merged over the ranks in their order.
template <class S>
RowStatistics<S> Merge(const double* statistics, int64_t ranks, int64_t tokens, int64_t t) {
  const auto of_rank = [&](int64_t rank, int64_t which) {
    return statistics[(3 * rank + which) * tokens + t];
  };
  const double maximum = Max<double>(ranks, [&](int64_t rank) { return of_rank(rank, 0); });
  double sum = 0;
  double label_logit = 0;
  for (int64_t rank = 0; rank < ranks; ++rank) {
    sum += of_rank(rank, 1) * std::exp(of_rank(rank, 0) - maximum);
    label_logit += of_rank(rank, 2);
  }
  return {static_cast<S>(maximum), sum, label_logit - maximum};
}

template <class T>
void ComputeSplit(const SplitCrossEntropyArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  const int64_t tokens = args.logits_TV.dim(0);
  const int64_t width = args.logits_TV.dim(1);
  const int64_t num_present = args.part.NumPresent(width);
  const int64_t ranks = args.statistics_R3T.dim(0);
  T* const logits = args.logits_TV.data<T>();
  const int32_t* const labels = args.labels_T.data<int32_t>();
  const double* const statistics = args.statistics_R3T.data<double>();
  S* const losses = args.loss_T.data<S>();
  const bool writes = args.gradient == LogitGradient::kWriteOverLogits;
  const double loss_scale =
      writes ? static_cast<const StepScalars*>(args.scalars.raw())->loss_scale : 0;
  CheckLabels(labels, tokens, args.part.vocab_size);
  ForPieces(pool, tokens, RowsPerTask(width), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      T* const row = logits + t * width;
      if (labels[t] < 0) {
        losses[t] = 0;
        if (writes) std::fill_n(row, width, T(0));
        continue;
      }
      const auto merged = Merge<S>(statistics, ranks, tokens, t);
      losses[t] = Loss(merged);
      if (!writes) continue;
      WriteGradient(
          merged, loss_scale, LocalLabel(labels[t], args.part, num_present), num_present,
          [&](int64_t v) { return Exp(S(row[v]) - merged.maximum); }, row);
      std::fill(row + num_present, row + width, T(0));
    }
  });
}

}  // namespace

void CrossEntropy(const CrossEntropyArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.logits_TV.dtype(), [&]<class T>(Storage<T>) { Compute<T>(args, pool); });
  });
}

void LogitStatistics(const LogitStatisticsArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.logits_TV.dtype(),
                  [&]<class T>(Storage<T>) { ComputeStatistics<T>(args, pool); });
  });
}

void SplitCrossEntropy(const SplitCrossEntropyArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.logits_TV.dtype(),
                  [&]<class T>(Storage<T>) { ComputeSplit<T>(args, pool); });
  });
}

}  // namespace cadmus::cpu
