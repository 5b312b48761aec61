// SPDX-License-Identifier: Apache-2.0
// The GPU's choices for gemm and attention: pure functions, free of the vendor's headers and always
// compiled, so that planning without a GPU chooses as the GPU will.
#pragma once

#include <optional>
#include <span>

#include "kernels/ops/attention.h"
#include "kernels/ops/gemm.h"

namespace cadmus {

// ---- Gemm: one of the algorithms that the vendor's library proposes, best first.

// How the parts of a split k are added up.
enum class GemmReduction : uint8_t { kNone, kInPlace, kThroughWorkspace };

struct GemmCandidate {
  int64_t workspace_bytes = 0;
  GemmReduction reduction = GemmReduction::kNone;
};

// The same for every product, so that memory is planned without asking the library: 32 MiB is what
// its fastest algorithms want on sm_90; 0 for an empty product.
int64_t CudaGemmWorkspaceBytes(const GemmSpec& spec);
// The first candidate that fits the workspace and, for kBitwise, does not add in place, where the
// order is that of arrival. None: nothing was proposed that may be used.
std::optional<size_t> ChooseGemmCandidate(std::span<const GemmCandidate> candidates,
                                          const GemmSpec& spec);

// ---- Attention: the simple kernel. A warp owns some rows, its lanes the neighbours in a tile.

struct CudaAttentionChoice {
  static constexpr int kWarps = 8;  // of a block
  static constexpr int kTile = 32;  // keys (or queries, for dK and dV) that are visited together

  int rows_per_warp = 4;
  int chunks = 2;  // of 32 dims of a head: 2, 4 or 8
  int pitch = 0;   // elements between rows of a tile in shared memory: no two in one bank
  int64_t forward_shared_bytes = 0;
  int64_t backward_shared_bytes = 0;
  int64_t forward_workspace_bytes = 0;
  int64_t backward_workspace_bytes = 0;  // rowsum(dO ∘ O), [B, H, S] in the statistics dtype
};

// `capability` is that of DeviceProperties. Throws kConfig where no kernel of ours can do it: a
// head dim beyond 256, or tiles beyond this GPU's shared memory.
CudaAttentionChoice ChooseCudaAttention(const AttentionSpec& spec, int capability);

}  // namespace cadmus
