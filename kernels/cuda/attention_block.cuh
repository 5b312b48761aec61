// SPDX-License-Identifier: Apache-2.0
// What the kernels of the simple attention share: the problem, the keys that a query sees, tiles in
// shared memory, and products of a warp's rows with the rows of a tile.
#pragma once

#include "kernels/cuda/attention_plan.h"
#include "kernels/cuda/block_reduce.cuh"
#include "kernels/cuda/storage.cuh"
#include "kernels/ops/attention.h"

namespace cadmus::cuda {

inline constexpr int kWarps = CudaAttentionChoice::kWarps;
inline constexpr int kTile = CudaAttentionChoice::kTile;
static_assert(kWarps * 32 == kThreads && kTile == 32);

// Rows of 2 registers' worth of f64, or 4 of f32, that one warp owns.
template <class T>
inline constexpr int kRows = std::is_same_v<T, double> ? 2 : 4;

// A [B, sequence, heads, D] view.
template <class T>
struct Heads {
  T* data;
  int64_t entry_stride, token_stride, head_stride;

  // The rows (tokens) of one head.
  __device__ T* At(int64_t entry, int64_t head) const {
    return data + entry * entry_stride + head * head_stride;
  }
};

template <class T, class View>
Heads<T> HeadsOf(const View& view) {
  return {static_cast<T*>(view.raw()), view.stride(0), view.stride(1), view.stride(2)};
}

// Both passes; the sequence lengths are those of this call.
template <class T>
struct AttentionProblem {
  Heads<const T> q, k, v;
  const int32_t *query_documents, *key_documents;  // null: one document
  int64_t batch, num_heads, num_kv_heads;
  int num_queries, num_keys, head_dim, pitch;
  int64_t offset;  // of queries over keys
  int64_t window;  // keys that a query sees at most; 0: all
  bool is_causal;
  Wide<T> scale;
};

template <class T, class Args>
AttentionProblem<T> ProblemOf(const Args& args, const CudaAttentionChoice& choice) {
  const AttentionSpec& spec = args.plan->spec;
  return {.q = HeadsOf<const T>(args.q_BSHD),
          .k = HeadsOf<const T>(args.k_BTKD),
          .v = HeadsOf<const T>(args.v_BTKD),
          .query_documents = Data<int32_t>(args.query_documents_BS),
          .key_documents = Data<int32_t>(args.key_documents_BT),
          .batch = spec.batch,
          .num_heads = spec.num_heads,
          .num_kv_heads = spec.num_kv_heads,
          .num_queries = static_cast<int>(args.q_BSHD.dim(1)),
          .num_keys = static_cast<int>(args.k_BTKD.dim(1)),
          .head_dim = static_cast<int>(spec.head_dim),
          .pitch = choice.pitch,
          .offset = args.query_offset - args.key_offset,
          .window = spec.window,
          .is_causal = spec.mask == AttentionMask::kCausal,
          .scale = static_cast<Wide<T>>(spec.scale)};
}

// Keys [begin, end); empty: {0, 0}. Documents do not decrease along a sequence, and a causal mask
// cuts off the later keys and a window the earlier ones, so it is always one interval.
struct KeyRange {
  int begin, end;

  __device__ bool Has(int key) const { return key >= begin && key < end; }
};

// The first of n non-decreasing values that is >= value (or, with kAfter, > value).
template <bool kAfter>
__device__ inline int Bound(const int32_t* values, int n, int32_t value) {
  int low = 0, high = n;
  while (low < high) {
    const int middle = low + (high - low) / 2;
    if (kAfter ? values[middle] <= value : values[middle] < value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

template <class T>
__device__ inline KeyRange VisibleKeys(const AttentionProblem<T>& in, int64_t entry, int query) {
  if (query >= in.num_queries) return {};
  KeyRange range = {0, in.num_keys};
  if (in.key_documents != nullptr) {
    const int32_t* const documents = in.key_documents + entry * in.num_keys;
    const int32_t document = in.query_documents[entry * in.num_queries + query];
    range = {Bound<false>(documents, in.num_keys, document),
             Bound<true>(documents, in.num_keys, document)};
  }
  if (in.is_causal) {
    const int64_t end = max(query + in.offset + 1, int64_t{0});
    range.end = static_cast<int>(min(static_cast<int64_t>(range.end), end));
    if (in.window > 0) {
      // Beyond the last key is beyond it by any number.
      const int64_t begin = min(query + in.offset - in.window + 1, int64_t{in.num_keys});
      range.begin = static_cast<int>(max(static_cast<int64_t>(range.begin), begin));
    }
  }
  return range.begin < range.end ? range : KeyRange{};
}

// Rows [first, first + kTile) of a head into a tile of `pitch` elements a row; zeros behind
// `count`.
template <class T>
__device__ inline void LoadTile(const T* rows, int64_t stride, int first, int count, int head_dim,
                                int pitch, T* tile) {
  constexpr int N = kPack<T>;
  const bool packs = head_dim % N == 0 && stride % N == 0 &&
                     reinterpret_cast<uintptr_t>(rows) % sizeof(Pack<T, N>) == 0;
  const int length = packs ? N : 1;
  const int per_row = head_dim / length;
  for (int i = static_cast<int>(threadIdx.x); i < kTile * per_row; i += kThreads) {
    const int row = i / per_row, d = i % per_row * length;
    T* const to = tile + row * pitch + d;
    if (first + row >= count) {
      for (int j = 0; j < length; ++j) to[j] = Narrow<T>(Wide<T>(0));
    } else if (packs) {
      const Pack<T, N> pack = LoadPack<N>(rows + (first + row) * stride + d);
#pragma unroll
      for (int j = 0; j < N; ++j) to[j] = pack.v[j];
    } else {
      *to = rows[(first + row) * stride + d];
    }
  }
}

// The R rows of this warp from `first` on, widened, into shared memory; zeros behind `count`.
template <int R, class T>
__device__ inline void LoadOwnRows(const T* rows, int64_t stride, int first, int count,
                                   int head_dim, Wide<T>* own) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int r = 0; r < R; ++r) {
    for (int d = lane; d < head_dim; d += 32) {
      own[r * head_dim + d] =
          first + r < count ? Widen(rows[(first + r) * stride + d]) : Wide<T>(0);
    }
  }
}

// dots[r] = own row r · this lane's row of the tile. One order for every shape of the launch.
template <int R, class T>
__device__ inline void Dots(const Wide<T>* own, const T* tile, int head_dim, int pitch,
                            Wide<T> (&dots)[R]) {
  const T* const row = tile + static_cast<int>(threadIdx.x) % 32 * pitch;
#pragma unroll
  for (int r = 0; r < R; ++r) dots[r] = 0;
  for (int d = 0; d < head_dim; ++d) {
    const Wide<T> x = Widen(row[d]);
#pragma unroll
    for (int r = 0; r < R; ++r) dots[r] = fma(own[r * head_dim + d], x, dots[r]);
  }
}

// sums[r] += Σ over the tile's rows j of weights[r] of lane j · row j; a lane holds the dims
// lane + 32 c. A weight of 0 adds nothing, whatever the row holds.
template <int R, int C, class T>
__device__ inline void AddWeighted(const Wide<T> (&weights)[R], const T* tile, int head_dim,
                                   int pitch, Wide<T> (&sums)[R][C]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll 4
  for (int j = 0; j < kTile; ++j) {
    Wide<T> row[C];
#pragma unroll
    for (int c = 0; c < C; ++c) {
      const int d = lane + 32 * c;
      row[c] = d < head_dim ? Widen(tile[j * pitch + d]) : Wide<T>(0);
    }
#pragma unroll
    for (int r = 0; r < R; ++r) {
      const Wide<T> weight = __shfl_sync(kAllLanes, weights[r], j);
      if (weight == 0) continue;
#pragma unroll
      for (int c = 0; c < C; ++c) sums[r][c] = fma(weight, row[c], sums[r][c]);
    }
  }
}

// Rounds sums · factor to the storage type, for the rows that exist.
template <int R, int C, class T>
__device__ inline void StoreRows(const Wide<T> (&sums)[R][C], Wide<T> factor, int first, int count,
                                 int head_dim, T* rows, int64_t stride) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int r = 0; r < R; ++r) {
    if (first + r >= count) continue;
#pragma unroll
    for (int c = 0; c < C; ++c) {
      const int d = lane + 32 * c;
      if (d < head_dim) rows[(first + r) * stride + d] = Narrow<T>(sums[r][c] * factor);
    }
  }
}

// The tiles and the warps' own rows in dynamic shared memory.
template <class T>
__device__ inline T* Tiles() {
  extern __shared__ __align__(16) unsigned char attention_shared[];
  return reinterpret_cast<T*>(attention_shared);
}
template <class T>
__device__ inline Wide<T>* OwnRows(int pitch) {
  const int bytes = 2 * kTile * pitch * static_cast<int>(sizeof(T));
  return reinterpret_cast<Wide<T>*>(reinterpret_cast<unsigned char*>(Tiles<T>()) +
                                    (bytes + 15) / 16 * 16);
}

// Says the number of chunks of 32 dims to a generic lambda.
template <class Body>
void DispatchChunks(int chunks, const Body& body) {
  switch (chunks) {
    case 2:
      return body(std::integral_constant<int, 2>());
    case 4:
      return body(std::integral_constant<int, 4>());
    case 8:
      return body(std::integral_constant<int, 8>());
    default:
      CADMUS_UNREACHABLE(StrCat("attention kernels of ", chunks, " chunks"));
  }
}

// A kernel may use more than 48 KiB of shared memory only after this.
template <class Kernel>
void AllowShared(Kernel* kernel, int64_t bytes, int device) {
  CADMUS_CUDA_CHECK(
      cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                           cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)),
      Where{device});
}

}  // namespace cadmus::cuda
