// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/gpu/llama_8b.h"
#include "benchmarks/gpu/speed_cases.h"
#include "kernels/ops/adamw.h"
#include "kernels/ops/cast.h"
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/embedding.h"
#include "kernels/ops/rms_norm.h"
#include "kernels/ops/rope.h"
#include "kernels/ops/swiglu.h"

namespace cadmus::gpu_speed {
namespace {

constexpr DType kStorage = DType::kBF16;

struct CopyArgs {
  ConstTensorView source;
  TensorView destination;
};

template <class Args>
void AgainstCopy(SpeedRun& run, const std::string& name, void (*op)(const Args&, Stream&),
                 const std::function<Args(Buffers&)>& make_set) {
  Buffers buffers(run.stream);
  const std::vector<Args> sets = RotatingSets(run, buffers, make_set);
  const double bytes = Cost(sets.front()).bytes;
  // A copy reads half of what it moves and writes the other half.
  const Shape half = {static_cast<int64_t>(bytes) / 2 / SizeOf(kStorage)};
  Buffers copied(run.stream);
  const std::vector<CopyArgs> copies =
      RotatingSets<CopyArgs>(run, copied, [&](Buffers& b) -> CopyArgs {
        return {.source = b.Uniform(kStorage, half), .destination = b.Empty(kStorage, half)};
      });
  const auto ours = InTurn<Args>("cadmus", sets, [&](const Args& args) { op(args, run.stream); });
  const auto copy = InTurn<CopyArgs>("device copy", copies, [&](const CopyArgs& args) {
    run.stream.device().CopyOnDevice(args.destination, args.source, run.stream);
  });
  run.Report(name, ours, &copy, [&](const timing::Measurement& m) -> timing::Findings {
    return {.numbers = {{"compulsory_bytes", bytes},
                        {"gigabytes_per_second", 1e-9 * bytes / m.contest->a.median},
                        {"share_of_copy", 1 / m.contest->ratio}}};
  });
}

TensorView Scalars(Buffers& buffers) {
  StepScalars scalars = {.learning_rate = 1e-5, .loss_scale = 1.0 / kTokens, .step = 1};
  return buffers.Copied(TensorView(&scalars, DType::kU8, {kStepScalarsBytes}));
}

RmsNormForwardArgs RmsNormForwardSet(Buffers& b) {
  return {.x_TD = b.Uniform(kStorage, {kTokens, kWidth}),
          .residual_TD = b.Uniform(kStorage, {kTokens, kWidth}),
          .weight_D = b.Uniform(kStorage, {kWidth}),
          .sum_TD = b.Empty(kStorage, {kTokens, kWidth}),
          .y_TD = b.Empty(kStorage, {kTokens, kWidth}),
          .rstd_T = b.Empty(DType::kF32, {kTokens})};
}

RmsNormBackwardArgs RmsNormBackwardSet(Buffers& b) {
  return {
      .s_TD = b.Uniform(kStorage, {kTokens, kWidth}),
      .weight_D = b.Uniform(kStorage, {kWidth}),
      .rstd_T = b.Uniform(DType::kF32, {kTokens}, 1, 2),
      .dy_TD = b.Uniform(kStorage, {kTokens, kWidth}),
      .dsum_TD = b.Uniform(kStorage, {kTokens, kWidth}),
      .ds_TD = b.Empty(kStorage, {kTokens, kWidth}),
      .dweight_D = b.Empty(DType::kF32, {kWidth}),
      .workspace = b.Empty(DType::kU8, {RmsNormBackwardWorkspaceBytes(kTokens, kWidth, kStorage)})};
}

SwiGluForwardArgs SwiGluForwardSet(Buffers& b) {
  return {.gate_up_TG = b.Uniform(kStorage, {kTokens, 2 * kHidden}),
          .y_TF = b.Empty(kStorage, {kTokens, kHidden})};
}

SwiGluBackwardArgs SwiGluBackwardSet(Buffers& b) {
  return {.gate_up_TG = b.Uniform(kStorage, {kTokens, 2 * kHidden}),
          .dy_TF = b.Uniform(kStorage, {kTokens, kHidden}),
          .dgate_up_TG = b.Empty(kStorage, {kTokens, 2 * kHidden})};
}

// Queries and keys of a fused projection, side by side before the values.
RopeArgs RopeSet(Buffers& b) {
  const TensorView qkv = b.Uniform(kStorage, {1, kTokens, kHeads + 2 * kKvHeads, kHeadDim});
  return {.x_BSND = qkv.Slice(2, 0, kHeads + kKvHeads),
          .positions_BS = b.Integers({1, kTokens}, kTokens),
          .cos_PF = b.Uniform(DType::kF32, {kTokens, kHeadDim / 2}),
          .sin_PF = b.Uniform(DType::kF32, {kTokens, kHeadDim / 2})};
}

CrossEntropyArgs CrossEntropySet(Buffers& b) {
  return {.logits_TV = b.Uniform(kStorage, {kTokens, kVocabulary}),
          .labels_T = b.Integers({kTokens}, kVocabulary),
          .scalars = Scalars(b),
          .loss_T = b.Empty(DType::kF32, {kTokens})};
}

AdamWArgs AdamWSet(Buffers& b) {
  constexpr int64_t kParameters = 2 * kHidden * kWidth;  // of the largest matrix of a layer
  return {.scalars = Scalars(b),
          .grad_N = b.Uniform(DType::kF32, {kParameters}),
          .master_N = b.Uniform(DType::kF32, {kParameters}),
          .m_N = b.Uniform(DType::kF32, {kParameters}),
          .v_N = b.Uniform(DType::kF32, {kParameters}, 0, 1),
          .weight_N = b.Empty(kStorage, {kParameters})};
}

EmbeddingForwardArgs EmbeddingForwardSet(Buffers& b) {
  return {.tokens_T = b.Integers({kTokens}, kVocabulary),
          .table_VD = b.Uniform(kStorage, {kVocabulary, kWidth}),
          .y_TD = b.Empty(kStorage, {kTokens, kWidth})};
}

EmbeddingBackwardArgs EmbeddingBackwardSet(Buffers& b) {
  return {.tokens_T = b.Integers({kTokens}, kVocabulary),
          .dy_TD = b.Uniform(kStorage, {kTokens, kWidth}),
          .dtable_VD = b.Empty(DType::kF32, {kVocabulary, kWidth})};
}

CastArgs CastSet(Buffers& b) {
  return {.x = b.Uniform(DType::kF32, {kHidden, kWidth}),
          .y = b.Empty(kStorage, {kHidden, kWidth})};
}

}  // namespace

void RunMemoryBoundCases(SpeedRun& run) {
  AgainstCopy<CastArgs>(run, "cast f32 to bf16, 14336 x 4096", &Cast, &CastSet);
  AgainstCopy<RmsNormForwardArgs>(run, "rms_norm forward with residual, T8192 D4096 bf16",
                                  &RmsNormForward, &RmsNormForwardSet);
  AgainstCopy<RmsNormBackwardArgs>(run, "rms_norm backward, T8192 D4096 bf16", &RmsNormBackward,
                                   &RmsNormBackwardSet);
  AgainstCopy<RopeArgs>(run, "rope, T8192 40 heads of 128 bf16", &Rope, &RopeSet);
  AgainstCopy<SwiGluForwardArgs>(run, "swiglu forward, T8192 F14336 bf16", &SwiGluForward,
                                 &SwiGluForwardSet);
  AgainstCopy<SwiGluBackwardArgs>(run, "swiglu backward, T8192 F14336 bf16", &SwiGluBackward,
                                  &SwiGluBackwardSet);
  AgainstCopy<EmbeddingForwardArgs>(run, "embedding forward, T8192 V128256 D4096 bf16",
                                    &EmbeddingForward, &EmbeddingForwardSet);
  AgainstCopy<EmbeddingBackwardArgs>(run, "embedding backward, T8192 V128256 D4096 bf16",
                                     &EmbeddingBackward, &EmbeddingBackwardSet);
  AgainstCopy<AdamWArgs>(run, "adamw, N117440512 f32, weights bf16", &AdamW, &AdamWSet);
  AgainstCopy<CrossEntropyArgs>(run, "cross_entropy, T8192 V128256 bf16", &CrossEntropy,
                                &CrossEntropySet);
}

}  // namespace cadmus::gpu_speed
