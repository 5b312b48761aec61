// SPDX-License-Identifier: Apache-2.0
// Cross-entropy: a block per token walks its row three times: maximum, sum, gradient.
#include "kernels/ops/cross_entropy.h"

#include "kernels/cuda/block_reduce.cuh"
#include "kernels/cuda/index_check.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/storage.cuh"

namespace cadmus::cuda {
namespace {

// What softmax needs of a whole row of logits, wherever they are.
template <class S>
struct RowStatistics {
  S maximum;
  double sum;          // of exp(logit - maximum)
  double label_logit;  // less the maximum
};

__device__ inline double NegativeInfinity() { return -__longlong_as_double(0x7ff0000000000000); }

// Of the first n logits of a row. A NaN is passed over here and comes back by its exponential.
template <class T, int N>
__device__ inline Wide<T> RowMaximum(const T* row, int64_t n) {
  using S = Wide<T>;
  S maximum = static_cast<S>(NegativeInfinity());
  int64_t v = threadIdx.x * N;
  for (; v + N <= n; v += kThreads * N) {
    const Pack<T, N> pack = LoadPack<N>(row + v);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const S x = Widen(pack.v[i]);
      maximum = x > maximum ? x : maximum;
    }
  }
  for (; v < n; ++v) {
    const S x = Widen(row[v]);
    maximum = x > maximum ? x : maximum;
  }
  return BlockMax(maximum);
}

template <class T, int N>
__device__ inline double RowSum(const T* row, int64_t n, Wide<T> reference) {
  double sum = 0;
  int64_t v = threadIdx.x * N;
  for (; v + N <= n; v += kThreads * N) {
    const Pack<T, N> pack = LoadPack<N>(row + v);
#pragma unroll
    for (int i = 0; i < N; ++i) sum += double(exp(Widen(pack.v[i]) - reference));
  }
  for (; v < n; ++v) sum += double(exp(Widen(row[v]) - reference));
  return BlockSum(sum);
}

template <class S>
__device__ inline S Loss(const RowStatistics<S>& row) {
  return static_cast<S>(log(row.sum) - row.label_logit);
}

// Over the first n logits of a row, and 0 up to `width`; label < 0: it is not among them.
template <class T, int N>
__device__ inline void WriteGradient(const RowStatistics<Wide<T>>& row, double loss_scale,
                                     int64_t label, int64_t n, int64_t width, T* logits) {
  using S = Wide<T>;
  const S scale = static_cast<S>(loss_scale / row.sum);
  const S at_label = static_cast<S>((exp(row.label_logit) / row.sum - 1.0) * loss_scale);
  for (int64_t v = threadIdx.x * N; v < width; v += kThreads * N) {
    Pack<T, N> pack = LoadPack<N>(logits + v);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      S gradient = exp(Widen(pack.v[i]) - row.maximum) * scale;
      if (v + i == label) gradient = at_label;
      if (v + i >= n) gradient = 0;
      pack.v[i] = Narrow<T>(gradient);
    }
    StorePack(logits + v, pack);
  }
}

template <class T, int N>
__device__ inline void ClearRow(T* logits, int64_t width) {
  Pack<T, N> zeros;
#pragma unroll
  for (int i = 0; i < N; ++i) zeros.v[i] = Narrow<T>(Wide<T>(0));
  for (int64_t v = threadIdx.x * N; v < width; v += kThreads * N) StorePack(logits + v, zeros);
}

// The label's place among `num_present` logits that start at `first`, or -1.
__device__ inline int64_t LocalLabel(int32_t label, int64_t first, int64_t num_present) {
  const int64_t local = label - first;
  return local >= 0 && local < num_present ? local : -1;
}

template <class T>
struct Logits {
  T* logits;
  const int32_t* labels;
  Wide<T>* losses;
  const StepScalars* scalars;  // null: no gradient
  int64_t tokens, width;
  int64_t first, num_present;  // of a part of the vocabulary
};

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    CrossEntropyKernel(const Logits<T> in, FaultView faults) {
  using S = Wide<T>;
  if (IsRaised(faults)) return;
  const int64_t t = blockIdx.x;
  T* const row = in.logits + t * in.width;
  const int32_t label = in.labels[t];
  const bool writes = in.scalars != nullptr;
  if (label < 0) {
    if (threadIdx.x == 0) in.losses[t] = 0;
    if (writes) ClearRow<T, N>(row, in.width);
    return;
  }
  const S maximum = RowMaximum<T, N>(row, in.width);
  const double sum = RowSum<T, N>(row, in.width, maximum);
  const RowStatistics<S> statistics = {maximum, sum, double(Widen(row[label])) - double(maximum)};
  if (threadIdx.x == 0) in.losses[t] = Loss(statistics);
  if (!writes) return;
  __syncthreads();  // everyone has read the label's logit
  WriteGradient<T, N>(statistics, in.scalars->loss_scale, label, in.width, in.width, row);
}

// Logits that are only read, of a part of the vocabulary.
template <class T>
struct LocalLogits {
  const T* logits;
  const int32_t* labels;
  int64_t tokens, width;
  int64_t first, num_present;
};

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    LogitStatisticsKernel(const LocalLogits<T> in, double* maxima, FaultView faults) {
  using S = Wide<T>;
  if (IsRaised(faults)) return;
  const int64_t t = blockIdx.x;
  double *const sums = maxima + in.tokens, *const label_logits = sums + in.tokens;
  if (in.labels[t] < 0) {
    if (threadIdx.x == 0) maxima[t] = sums[t] = label_logits[t] = 0;
    return;
  }
  const T* const row = in.logits + t * in.width;
  const S maximum = RowMaximum<T, N>(row, in.num_present);
  // Other ranks may have finite logits: -∞ everywhere here is a sum of 0, not of exp(-∞ + ∞).
  const S reference = maximum == static_cast<S>(NegativeInfinity()) ? S(0) : maximum;
  const double sum = RowSum<T, N>(row, in.num_present, reference);
  if (threadIdx.x != 0) return;
  const int64_t label = LocalLabel(in.labels[t], in.first, in.num_present);
  maxima[t] = maximum;
  sums[t] = sum;
  label_logits[t] = label < 0 ? 0 : double(Widen(row[label]));
}

// Of token t, merged over the ranks in their order.
template <class S>
__device__ inline RowStatistics<S> Merge(const double* statistics, int64_t ranks, int64_t tokens,
                                         int64_t t) {
  double maximum = NegativeInfinity();
  for (int64_t rank = 0; rank < ranks; ++rank) {
    const double of_rank = statistics[3 * rank * tokens + t];
    maximum = of_rank > maximum ? of_rank : maximum;
  }
  double sum = 0, label_logit = 0;
  for (int64_t rank = 0; rank < ranks; ++rank) {
    const double* const of_rank = statistics + 3 * rank * tokens + t;
    sum += of_rank[tokens] * exp(of_rank[0] - maximum);
    label_logit += of_rank[2 * tokens];
  }
  return {static_cast<S>(maximum), sum, label_logit - maximum};
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    SplitCrossEntropyKernel(const Logits<T> in, const double* statistics, int64_t ranks,
                            FaultView faults) {
  using S = Wide<T>;
  __shared__ RowStatistics<S> merged;
  if (IsRaised(faults)) return;
  const int64_t t = blockIdx.x;
  T* const row = in.logits + t * in.width;
  const bool writes = in.scalars != nullptr;
  if (in.labels[t] < 0) {
    if (threadIdx.x == 0) in.losses[t] = 0;
    if (writes) ClearRow<T, N>(row, in.width);
    return;
  }
  if (threadIdx.x == 0) {
    merged = Merge<S>(statistics, ranks, in.tokens, t);
    in.losses[t] = Loss(merged);
  }
  if (!writes) return;
  __syncthreads();
  WriteGradient<T, N>(merged, in.scalars->loss_scale,
                      LocalLabel(in.labels[t], in.first, in.num_present), in.num_present, in.width,
                      row);
}

// Null: no gradient.
template <class Args>
const StepScalars* ScalarsFor(const Args& args) {
  if (args.gradient == LogitGradient::kNone) return nullptr;
  return static_cast<const StepScalars*>(args.scalars.raw());
}

FaultView CheckLabels(const char* op, const ConstTensorView& labels, int64_t vocab_size,
                      Stream& stream) {
  return CheckIndices(op,
                      {.code = FaultCode::kLabel,
                       .indices = Data<int32_t>(labels),
                       .n = labels.dim(0),
                       .lowest = INT32_MIN,
                       .limit = vocab_size},
                      stream);
}

}  // namespace

void CrossEntropy(const CrossEntropyArgs& args, Stream& stream) {
  const int64_t tokens = args.logits_TV.dim(0), width = args.logits_TV.dim(1);
  const FaultView faults = CheckLabels(args.kName, args.labels_T, width, stream);
  DispatchFloat(args.logits_TV.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    const Logits<T> in = {
        .logits = Data<T>(args.logits_TV),
        .labels = Data<int32_t>(args.labels_T),
        .losses = Data<Wide<T>>(args.loss_T),
        .scalars = ScalarsFor(args),
        .tokens = tokens,
        .width = width};
    DispatchPack<T>({in.logits}, {width}, [&](auto pack) {
      LaunchKernel(args.kName, &CrossEntropyKernel<T, decltype(pack)::kLength>, {.x = tokens},
                   stream, in, faults);
    });
  });
}

void LogitStatistics(const LogitStatisticsArgs& args, Stream& stream) {
  const int64_t tokens = args.logits_TV.dim(0), width = args.logits_TV.dim(1);
  const FaultView faults = CheckLabels(args.kName, args.labels_T, args.part.vocab_size, stream);
  DispatchFloat(args.logits_TV.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    const LocalLogits<T> in = {.logits = Data<T>(args.logits_TV),
                               .labels = Data<int32_t>(args.labels_T),
                               .tokens = tokens,
                               .width = width,
                               .first = args.part.first,
                               .num_present = args.part.NumPresent(width)};
    DispatchPack<T>({in.logits}, {width}, [&](auto pack) {
      LaunchKernel(args.kName, &LogitStatisticsKernel<T, decltype(pack)::kLength>, {.x = tokens},
                   stream, in, Data<double>(args.statistics_3T), faults);
    });
  });
}

void SplitCrossEntropy(const SplitCrossEntropyArgs& args, Stream& stream) {
  const int64_t tokens = args.logits_TV.dim(0), width = args.logits_TV.dim(1);
  const FaultView faults = CheckLabels(args.kName, args.labels_T, args.part.vocab_size, stream);
  DispatchFloat(args.logits_TV.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    const Logits<T> in = {.logits = Data<T>(args.logits_TV),
                          .labels = Data<int32_t>(args.labels_T),
                          .losses = Data<Wide<T>>(args.loss_T),
                          .scalars = ScalarsFor(args),
                          .tokens = tokens,
                          .width = width,
                          .first = args.part.first,
                          .num_present = args.part.NumPresent(width)};
    DispatchPack<T>({in.logits}, {width}, [&](auto pack) {
      LaunchKernel(args.kName, &SplitCrossEntropyKernel<T, decltype(pack)::kLength>, {.x = tokens},
                   stream, in, Data<double>(args.statistics_R3T), args.statistics_R3T.dim(0),
                   faults);
    });
  });
}

}  // namespace cadmus::cuda
