// SPDX-License-Identifier: Apache-2.0
// The forward pass: a warp owns rows of queries and walks over the tiles of keys that its block
// sees, with a running maximum and sum (Dao, FlashAttention-2, algorithm 1).
#include <limits>

#include "kernels/cuda/attention_block.cuh"

namespace cadmus::cuda {
namespace {

template <class S>
__device__ inline S Larger(S a, S b) {
  return b > a ? b : a;
}

template <class T, int C>
__global__ void __launch_bounds__(kThreads)
    AttentionForwardKernel(const AttentionProblem<T> in, const Heads<T> out, Wide<T>* lse) {
  using S = Wide<T>;
  constexpr int R = kRows<T>;
  constexpr S kLowest = -std::numeric_limits<S>::infinity();
  __shared__ KeyRange of_warps[kWarps];
  T* const k_tile = Tiles<T>();
  T* const v_tile = k_tile + kTile * in.pitch;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  S* const own = OwnRows<T>(in.pitch) + warp * R * in.head_dim;

  // Late queries see the most keys of a causal mask: they go first.
  const int64_t tasks = in.batch * in.num_heads;
  const int blocks = (in.num_queries + kWarps * R - 1) / (kWarps * R);
  const int block = blocks - 1 - static_cast<int>(blockIdx.x / tasks);
  const int64_t entry = blockIdx.x % tasks / in.num_heads, head = blockIdx.x % in.num_heads;
  const int64_t kv_head = head / (in.num_heads / in.num_kv_heads);
  const int first = (block * kWarps + warp) * R;
  LoadOwnRows<R>(in.q.At(entry, head), in.q.token_stride, first, in.num_queries, in.head_dim, own);

  KeyRange seen[R];
  KeyRange hull = {in.num_keys, 0};
#pragma unroll
  for (int r = 0; r < R; ++r) {
    seen[r] = VisibleKeys(in, entry, first + r);
    if (seen[r].begin == seen[r].end) continue;
    hull = {min(hull.begin, seen[r].begin), max(hull.end, seen[r].end)};
  }
  if (lane == 0) of_warps[warp] = hull;
  __syncthreads();
  for (int w = 0; w < kWarps; ++w) {
    hull = {min(hull.begin, of_warps[w].begin), max(hull.end, of_warps[w].end)};
  }

  S maximum[R], sum[R], out_sums[R][C];
#pragma unroll
  for (int r = 0; r < R; ++r) {
    maximum[r] = kLowest;
    sum[r] = 0;
#pragma unroll
    for (int c = 0; c < C; ++c) out_sums[r][c] = 0;
  }
  for (int key = hull.begin; key < hull.end; key += kTile) {
    __syncthreads();
    LoadTile(in.k.At(entry, kv_head), in.k.token_stride, key, in.num_keys, in.head_dim, in.pitch,
             k_tile);
    LoadTile(in.v.At(entry, kv_head), in.v.token_stride, key, in.num_keys, in.head_dim, in.pitch,
             v_tile);
    __syncthreads();
    S weights[R];
    Dots<R>(own, k_tile, in.head_dim, in.pitch, weights);
#pragma unroll
    for (int r = 0; r < R; ++r) {
      const bool visible = seen[r].Has(key + lane);
      const S score = visible ? weights[r] * in.scale : kLowest;
      weights[r] = 0;
      if (!__any_sync(kAllLanes, visible)) continue;
      const S new_maximum =
          Larger(maximum[r], WarpReduce(score == score ? score : kLowest, Larger<S>));
      if (visible) weights[r] = exp(score - new_maximum);
      const S correction = exp(maximum[r] - new_maximum);
      sum[r] = sum[r] * correction + WarpReduce(weights[r], [](S a, S b) { return a + b; });
      maximum[r] = new_maximum;
#pragma unroll
      for (int c = 0; c < C; ++c) out_sums[r][c] *= correction;
    }
    AddWeighted<R, C>(weights, v_tile, in.head_dim, in.pitch, out_sums);
  }

#pragma unroll
  for (int r = 0; r < R; ++r) {
    if (first + r >= in.num_queries) continue;
    // A query that sees no key: 0, not 0 / 0.
    const S divisor = seen[r].begin == seen[r].end ? S(1) : sum[r];
    if (lane == 0) {
      lse[(entry * in.num_heads + head) * in.num_queries + first + r] = maximum[r] + log(divisor);
    }
#pragma unroll
    for (int c = 0; c < C; ++c) out_sums[r][c] /= divisor;
  }
  StoreRows<R, C>(out_sums, S(1), first, in.num_queries, in.head_dim, out.At(entry, head),
                  out.token_stride);
}

}  // namespace

void AllowSharedForForward(const AttentionSpec& spec, const CudaAttentionChoice& choice,
                           int device) {
  DispatchFloat(spec.dtype, [&](auto storage) {
    using T = typename decltype(storage)::Type;
    DispatchChunks(choice.chunks, [&](auto chunks) {
      AllowShared(&AttentionForwardKernel<T, decltype(chunks)::value>, choice.forward_shared_bytes,
                  device);
    });
  });
}

void SimpleAttentionForward(const AttentionForwardArgs& args, const CudaAttentionChoice& choice,
                            Stream& stream) {
  DispatchFloat(args.plan->spec.dtype, [&](auto storage) {
    using T = typename decltype(storage)::Type;
    const AttentionProblem<T> problem = ProblemOf<T>(args, choice);
    const int64_t blocks = DivideUp(problem.num_queries, kWarps * kRows<T>);
    DispatchChunks(choice.chunks, [&](auto chunks) {
      LaunchKernel(args.kName, &AttentionForwardKernel<T, decltype(chunks)::value>,
                   {.x = blocks * problem.batch * problem.num_heads,
                    .shared_bytes = choice.forward_shared_bytes},
                   stream, problem, HeadsOf<T>(args.out_BSHD), Data<Wide<T>>(args.lse_BHS));
    });
  });
}

}  // namespace cadmus::cuda
