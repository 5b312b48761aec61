// SPDX-License-Identifier: Apache-2.0
// Embedding. Backward without atomics: the block of a token's first occurrence finds all others, in
// order, and alone adds to the row.
#include "kernels/ops/embedding.h"

#include "kernels/cuda/block_reduce.cuh"
#include "kernels/cuda/index_check.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/storage.cuh"

namespace cadmus::cuda {
namespace {

// Where the table's rows lie in its vocabulary.
VocabularyPart PartOf(const std::optional<VocabularyPart>& part, int64_t num_rows) {
  return part.value_or(VocabularyPart{.first = 0, .vocab_size = num_rows});
}

struct Lookup {
  const int32_t* tokens;
  int64_t num_tokens, width;
  int64_t first, num_rows;  // of the vocabulary that are here
};

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    EmbeddingForwardKernel(const Lookup lookup, const T* table, const T* add, T* y,
                           FaultView faults) {
  if (IsRaised(faults)) return;
  const int64_t row = lookup.tokens[blockIdx.x] - lookup.first;
  const bool is_here = row >= 0 && row < lookup.num_rows;
  T* const to = y + blockIdx.x * lookup.width;
  for (int64_t d = threadIdx.x * N; d < lookup.width; d += kThreads * N) {
    Pack<T, N> pack;
    if (is_here) {
      pack = LoadPack<N>(table + row * lookup.width + d);
    } else {
#pragma unroll
      for (int i = 0; i < N; ++i) pack.v[i] = Narrow<T>(Wide<T>(0));
    }
    if (add != nullptr) {
      const Pack<T, N> other = LoadPack<N>(add + blockIdx.x * lookup.width + d);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        pack.v[i] = is_here ? Narrow<T>(Widen(pack.v[i]) + Widen(other.v[i])) : other.v[i];
      }
    }
    StorePack(to + d, pack);
  }
}

template <class S>
__global__ void __launch_bounds__(kThreads)
    ClearTableKernel(S* dtable, int64_t elements, FaultView faults) {
  if (IsRaised(faults)) return;
  const int64_t at = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (at < elements) dtable[at] = 0;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    EmbeddingBackwardKernel(const Lookup lookup, const T* dy, Wide<T>* dtable, FaultView faults) {
  __shared__ unsigned masks[kThreads / 32];
  if (IsRaised(faults)) return;
  const int64_t mine = blockIdx.x;
  const int32_t token = lookup.tokens[mine];
  const int64_t row = token - lookup.first;
  if (row < 0 || row >= lookup.num_rows) return;
  bool earlier = false;
  for (int64_t t = threadIdx.x; t < mine && !earlier; t += kThreads) {
    earlier = lookup.tokens[t] == token;
  }
  if (__syncthreads_or(earlier)) return;

  Wide<T>* const to = dtable + row * lookup.width;
  for (int64_t begin = mine; begin < lookup.num_tokens; begin += kThreads) {
    const int64_t t = begin + threadIdx.x;
    const bool matches = t < lookup.num_tokens && lookup.tokens[t] == token;
    const unsigned mask = __ballot_sync(kAllLanes, matches);
    if (threadIdx.x % 32 == 0) masks[threadIdx.x / 32] = mask;
    __syncthreads();
    for (int warp = 0; warp < kThreads / 32; ++warp) {
      for (unsigned left = masks[warp]; left != 0; left &= left - 1) {
        const T* const from =
            dy + (begin + warp * 32 + __ffs(static_cast<int>(left)) - 1) * lookup.width;
        // A thread always has the same columns, so that its sums stay in order.
        for (int64_t d = threadIdx.x; d < lookup.width; d += kThreads) to[d] += Widen(from[d]);
      }
    }
    __syncthreads();
  }
}

FaultView CheckTokens(const char* op, const ConstTensorView& tokens, int64_t vocab_size,
                      Stream& stream) {
  return CheckIndices(op,
                      {.code = FaultCode::kToken,
                       .indices = Data<int32_t>(tokens),
                       .n = tokens.dim(0),
                       .limit = vocab_size},
                      stream);
}

Lookup LookupOf(const ConstTensorView& tokens, const VocabularyPart& part, int64_t num_rows,
                int64_t width) {
  return {.tokens = Data<int32_t>(tokens),
          .num_tokens = tokens.dim(0),
          .width = width,
          .first = part.first,
          .num_rows = part.NumPresent(num_rows)};
}

}  // namespace

void EmbeddingForward(const EmbeddingForwardArgs& args, Stream& stream) {
  const VocabularyPart part = PartOf(args.part, args.table_VD.dim(0));
  const FaultView faults = CheckTokens(args.kName, args.tokens_T, part.vocab_size, stream);
  const Lookup lookup = LookupOf(args.tokens_T, part, args.table_VD.dim(0), args.y_TD.dim(1));
  DispatchFloat(args.y_TD.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    const T *table = Data<T>(args.table_VD), *add = Data<T>(args.add_TD);
    T* y = Data<T>(args.y_TD);
    DispatchPack<T>({table, add, y}, {lookup.width}, [&](auto pack) {
      LaunchKernel(args.kName, &EmbeddingForwardKernel<T, decltype(pack)::kLength>,
                   {.x = lookup.num_tokens}, stream, lookup, table, add, y, faults);
    });
  });
}

void EmbeddingBackward(const EmbeddingBackwardArgs& args, Stream& stream) {
  const int64_t rows = args.dtable_VD.dim(0), width = args.dtable_VD.dim(1);
  const VocabularyPart part = PartOf(args.part, rows);
  const FaultView faults = CheckTokens(args.kName, args.tokens_T, part.vocab_size, stream);
  const Lookup lookup = LookupOf(args.tokens_T, part, rows, width);
  DispatchFloat(args.dy_TD.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    auto* const dtable = Data<Wide<T>>(args.dtable_VD);
    if (args.mode == GradMode::kOverwrite) {
      LaunchKernel(args.kName, &ClearTableKernel<Wide<T>>, {.x = DivideUp(rows * width, kThreads)},
                   stream, dtable, rows * width, faults);
    }
    LaunchKernel(args.kName, &EmbeddingBackwardKernel<T>, {.x = width == 0 ? 0 : lookup.num_tokens},
                 stream, lookup, Data<T>(args.dy_TD), dtable, faults);
  });
}

}  // namespace cadmus::cuda
