// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/cuda_choice.h"

#include "kernels/base/error.h"
#include "kernels/ops/check.h"

namespace cadmus {
namespace {

// What one block may have, in KiB. Source: CUDA C++ programming guide, table of technical
// specifications per compute capability; less 1 KiB that the system keeps.
int64_t SharedBytesPerBlock(int capability) {
  switch (capability) {
    case 80:
    case 87:
      return int64_t{163} << 10;
    case 90:
    case 100:
    case 103:
      return int64_t{227} << 10;
    default:
      return int64_t{99} << 10;
  }
}

// The row length, in elements, that puts the rows of a tile into different banks of 4 bytes.
int Pitch(int64_t head_dim, DType dtype) {
  const auto dim = static_cast<int>(head_dim);
  if (dtype != DType::kBF16) return dim | 1;
  return 2 * ((dim + 1) / 2 | 1);
}

}  // namespace

int64_t CudaGemmWorkspaceBytes(const GemmSpec& spec) {
  const bool is_empty = spec.batch == 0 || spec.m == 0 || spec.n == 0 || spec.k == 0;
  return is_empty ? 0 : int64_t{32} << 20;
}

std::optional<size_t> ChooseGemmCandidate(std::span<const GemmCandidate> candidates,
                                          const GemmSpec& spec) {
  for (size_t i = 0; i < candidates.size(); ++i) {
    const bool repeats = candidates[i].reduction != GemmReduction::kInPlace;
    if (candidates[i].workspace_bytes <= CudaGemmWorkspaceBytes(spec) &&
        (repeats || spec.reproducibility == Reproducibility::kFast)) {
      return i;
    }
  }
  return std::nullopt;
}

CudaAttentionChoice ChooseCudaAttention(const AttentionSpec& spec, int capability) {
  constexpr int64_t kLargestHeadDim = 256;
  if (spec.head_dim > kLargestHeadDim) {
    throw Error(Kind::kConfig, StrCat("attention on a GPU: head_dim ", spec.head_dim,
                                      " is more than the kernel's ", kLargestHeadDim));
  }
  CudaAttentionChoice choice;
  // Sums of rows_per_warp rows stay in registers; an f64 takes two.
  choice.rows_per_warp = spec.dtype == DType::kF64 ? 2 : 4;
  choice.chunks = spec.head_dim <= 64 ? 2 : spec.head_dim <= 128 ? 4 : 8;
  choice.pitch = Pitch(spec.head_dim, spec.dtype);
  const int64_t wide = SizeOf(StatisticsDType(spec.dtype));
  // Tiles of keys and values (or of queries and dO); the rows that the warps own.
  const int64_t tiles =
      (2 * CudaAttentionChoice::kTile * choice.pitch * SizeOf(spec.dtype) + 15) / 16 * 16;
  const int64_t rows = int64_t{CudaAttentionChoice::kWarps} * choice.rows_per_warp * spec.head_dim;
  choice.forward_shared_bytes = tiles + rows * wide;
  choice.backward_shared_bytes = tiles + 2 * rows * wide;
  choice.backward_workspace_bytes = spec.batch * spec.num_heads * spec.query_length * wide;
  if (choice.backward_shared_bytes > SharedBytesPerBlock(capability)) {
    throw Error(
        Kind::kConfig,
        StrCat("attention on a GPU: head_dim ", spec.head_dim, " in ", Name(spec.dtype), " needs ",
               choice.backward_shared_bytes, " bytes of shared memory, and sm_", capability,
               " has ", SharedBytesPerBlock(capability), " for a block: use a narrower dtype"));
  }
  return choice;
}

}  // namespace cadmus
