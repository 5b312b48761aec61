// SPDX-License-Identifier: Apache-2.0
// The backward pass in three kernels without atomics: rowsum(dO ∘ O); dQ, walking over keys; dK and
// dV, walking over the queries of all heads of the group. Scores are recomputed in both walks.
#include "kernels/cuda/attention_block.cuh"

namespace cadmus::cuda {
namespace {

template <class T>
struct BackwardProblem {
  AttentionProblem<T> in;
  Heads<const T> out, dout;
  const Wide<T>* lse;
  Wide<T>* delta;  // [B, H, S], the workspace
  Heads<T> dq, dk, dv;
};

// A warp per query: delta = rowsum(dO ∘ O).
template <class T>
__global__ void __launch_bounds__(kThreads) AttentionDeltaKernel(const BackwardProblem<T> problem) {
  using S = Wide<T>;
  const AttentionProblem<T>& in = problem.in;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
  if (index >= in.batch * in.num_heads * in.num_queries) return;
  const int64_t query = index % in.num_queries;
  const int64_t head = index / in.num_queries % in.num_heads;
  const int64_t entry = index / in.num_queries / in.num_heads;
  const T* const out = problem.out.At(entry, head) + query * problem.out.token_stride;
  const T* const dout = problem.dout.At(entry, head) + query * problem.dout.token_stride;
  S sum = 0;
  for (int d = static_cast<int>(threadIdx.x) % 32; d < in.head_dim; d += 32) {
    sum = fma(Widen(out[d]), Widen(dout[d]), sum);
  }
  sum = WarpReduce(sum, [](S a, S b) { return a + b; });
  if (threadIdx.x % 32 == 0) problem.delta[index] = sum;
}

template <class T, int C>
__global__ void __launch_bounds__(kThreads)
    AttentionQueryGradientKernel(const BackwardProblem<T> problem) {
  using S = Wide<T>;
  constexpr int R = kRows<T>;
  __shared__ KeyRange of_warps[kWarps];
  const AttentionProblem<T>& in = problem.in;
  T* const k_tile = Tiles<T>();
  T* const v_tile = k_tile + kTile * in.pitch;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  S* const own_q = OwnRows<T>(in.pitch) + 2 * warp * R * in.head_dim;
  S* const own_dout = own_q + R * in.head_dim;

  const int64_t tasks = in.batch * in.num_heads;
  const int blocks = (in.num_queries + kWarps * R - 1) / (kWarps * R);
  const int block = blocks - 1 - static_cast<int>(blockIdx.x / tasks);
  const int64_t entry = blockIdx.x % tasks / in.num_heads, head = blockIdx.x % in.num_heads;
  const int64_t kv_head = head / (in.num_heads / in.num_kv_heads);
  const int first = (block * kWarps + warp) * R;
  LoadOwnRows<R>(in.q.At(entry, head), in.q.token_stride, first, in.num_queries, in.head_dim,
                 own_q);
  LoadOwnRows<R>(problem.dout.At(entry, head), problem.dout.token_stride, first, in.num_queries,
                 in.head_dim, own_dout);

  KeyRange seen[R];
  KeyRange hull = {in.num_keys, 0};
  S lse[R], delta[R], dq[R][C];
#pragma unroll
  for (int r = 0; r < R; ++r) {
    seen[r] = VisibleKeys(in, entry, first + r);
    const int64_t at = (entry * in.num_heads + head) * in.num_queries + first + r;
    lse[r] = first + r < in.num_queries ? problem.lse[at] : S(0);
    delta[r] = first + r < in.num_queries ? problem.delta[at] : S(0);
#pragma unroll
    for (int c = 0; c < C; ++c) dq[r][c] = 0;
    if (seen[r].begin == seen[r].end) continue;
    hull = {min(hull.begin, seen[r].begin), max(hull.end, seen[r].end)};
  }
  if (lane == 0) of_warps[warp] = hull;
  __syncthreads();
  for (int w = 0; w < kWarps; ++w) {
    hull = {min(hull.begin, of_warps[w].begin), max(hull.end, of_warps[w].end)};
  }

  for (int key = hull.begin; key < hull.end; key += kTile) {
    __syncthreads();
    LoadTile(in.k.At(entry, kv_head), in.k.token_stride, key, in.num_keys, in.head_dim, in.pitch,
             k_tile);
    LoadTile(in.v.At(entry, kv_head), in.v.token_stride, key, in.num_keys, in.head_dim, in.pitch,
             v_tile);
    __syncthreads();
    S scores[R], dp[R];
    Dots<R>(own_q, k_tile, in.head_dim, in.pitch, scores);
    Dots<R>(own_dout, v_tile, in.head_dim, in.pitch, dp);
#pragma unroll
    for (int r = 0; r < R; ++r) {
      const bool visible = seen[r].Has(key + lane);
      scores[r] = visible ? exp(scores[r] * in.scale - lse[r]) * (dp[r] - delta[r]) : S(0);
    }
    AddWeighted<R, C>(scores, k_tile, in.head_dim, in.pitch, dq);
  }
  StoreRows<R, C>(dq, in.scale, first, in.num_queries, in.head_dim, problem.dq.At(entry, head),
                  problem.dq.token_stride);
}

template <class T, int C>
__global__ void __launch_bounds__(kThreads)
    AttentionKeyGradientKernel(const BackwardProblem<T> problem) {
  using S = Wide<T>;
  constexpr int R = kRows<T>;
  const AttentionProblem<T>& in = problem.in;
  T* const q_tile = Tiles<T>();
  T* const dout_tile = q_tile + kTile * in.pitch;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  S* const own_k = OwnRows<T>(in.pitch) + 2 * warp * R * in.head_dim;
  S* const own_v = own_k + R * in.head_dim;

  // Early keys are seen by the most queries of a causal mask: they go first.
  const int64_t tasks = in.batch * in.num_kv_heads;
  const int first_of_block = static_cast<int>(blockIdx.x / tasks) * kWarps * R;
  const int64_t entry = blockIdx.x % tasks / in.num_kv_heads,
                kv_head = blockIdx.x % in.num_kv_heads;
  const int first = first_of_block + warp * R;
  LoadOwnRows<R>(in.k.At(entry, kv_head), in.k.token_stride, first, in.num_keys, in.head_dim,
                 own_k);
  LoadOwnRows<R>(in.v.At(entry, kv_head), in.v.token_stride, first, in.num_keys, in.head_dim,
                 own_v);
  S dk[R][C], dv[R][C];
#pragma unroll
  for (int r = 0; r < R; ++r) {
#pragma unroll
    for (int c = 0; c < C; ++c) dk[r][c] = dv[r][c] = 0;
  }

  int first_query = 0;
  if (in.is_causal) {
    const int64_t sees_first = max(first_of_block - in.offset, int64_t{0});
    first_query = static_cast<int>(min(sees_first, static_cast<int64_t>(in.num_queries)));
    first_query = first_query / kTile * kTile;
  }
  const int64_t group = in.num_heads / in.num_kv_heads;
  for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    const int64_t statistics = (entry * in.num_heads + head) * in.num_queries;
    for (int query = first_query; query < in.num_queries; query += kTile) {
      // The lane's query: every warp finds the same, so the whole block goes on together.
      const KeyRange seen = VisibleKeys(in, entry, query + lane);
      const bool meets = seen.begin < first_of_block + kWarps * R && seen.end > first_of_block;
      if (!__any_sync(kAllLanes, meets)) continue;
      const bool exists = query + lane < in.num_queries;
      const S lse = exists ? problem.lse[statistics + query + lane] : S(0);
      const S delta = exists ? problem.delta[statistics + query + lane] : S(0);
      __syncthreads();
      LoadTile(in.q.At(entry, head), in.q.token_stride, query, in.num_queries, in.head_dim,
               in.pitch, q_tile);
      LoadTile(problem.dout.At(entry, head), problem.dout.token_stride, query, in.num_queries,
               in.head_dim, in.pitch, dout_tile);
      __syncthreads();
      S p[R], ds[R];
      Dots<R>(own_k, q_tile, in.head_dim, in.pitch, p);
      Dots<R>(own_v, dout_tile, in.head_dim, in.pitch, ds);
#pragma unroll
      for (int r = 0; r < R; ++r) {
        const bool visible = seen.Has(first + r);
        p[r] = visible ? exp(p[r] * in.scale - lse) : S(0);
        ds[r] = visible ? p[r] * (ds[r] - delta) : S(0);
      }
      AddWeighted<R, C>(p, dout_tile, in.head_dim, in.pitch, dv);
      AddWeighted<R, C>(ds, q_tile, in.head_dim, in.pitch, dk);
    }
  }
  StoreRows<R, C>(dk, in.scale, first, in.num_keys, in.head_dim, problem.dk.At(entry, kv_head),
                  problem.dk.token_stride);
  StoreRows<R, C>(dv, S(1), first, in.num_keys, in.head_dim, problem.dv.At(entry, kv_head),
                  problem.dv.token_stride);
}

}  // namespace

void AllowSharedForBackward(const AttentionSpec& spec, const CudaAttentionChoice& choice,
                            int device) {
  DispatchFloat(spec.dtype, [&](auto storage) {
    using T = typename decltype(storage)::Type;
    DispatchChunks(choice.chunks, [&](auto chunks) {
      constexpr int C = decltype(chunks)::value;
      AllowShared(&AttentionQueryGradientKernel<T, C>, choice.backward_shared_bytes, device);
      AllowShared(&AttentionKeyGradientKernel<T, C>, choice.backward_shared_bytes, device);
    });
  });
}

void SimpleAttentionBackward(const AttentionBackwardArgs& args, const CudaAttentionChoice& choice,
                             Stream& stream) {
  DispatchFloat(args.plan->spec.dtype, [&](auto storage) {
    using T = typename decltype(storage)::Type;
    using S = Wide<T>;
    const BackwardProblem<T> problem = {.in = ProblemOf<T>(args, choice),
                                        .out = HeadsOf<const T>(args.out_BSHD),
                                        .dout = HeadsOf<const T>(args.dout_BSHD),
                                        .lse = Data<S>(args.lse_BHS),
                                        .delta = static_cast<S*>(args.workspace.raw()),
                                        .dq = HeadsOf<T>(args.dq_BSHD),
                                        .dk = HeadsOf<T>(args.dk_BTKD),
                                        .dv = HeadsOf<T>(args.dv_BTKD)};
    const AttentionProblem<T>& in = problem.in;
    constexpr int64_t kRowsOfBlock = kWarps * kRows<T>;
    LaunchKernel(args.kName, &AttentionDeltaKernel<T>,
                 {.x = DivideUp(in.batch * in.num_heads * in.num_queries, kWarps)}, stream,
                 problem);
    DispatchChunks(choice.chunks, [&](auto chunks) {
      constexpr int C = decltype(chunks)::value;
      LaunchKernel(args.kName, &AttentionQueryGradientKernel<T, C>,
                   {.x = DivideUp(in.num_queries, kRowsOfBlock) * in.batch * in.num_heads,
                    .shared_bytes = choice.backward_shared_bytes},
                   stream, problem);
      LaunchKernel(args.kName, &AttentionKeyGradientKernel<T, C>,
                   {.x = DivideUp(in.num_keys, kRowsOfBlock) * in.batch * in.num_kv_heads,
                    .shared_bytes = choice.backward_shared_bytes},
                   stream, problem);
    });
  });
}

}  // namespace cadmus::cuda
