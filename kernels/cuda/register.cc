// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/register.h"

#include "kernels/cuda/kernels.h"
#include "kernels/ops/adamw.h"
#include "kernels/ops/attention.h"
#include "kernels/ops/bias_gradient.h"
#include "kernels/ops/cast.h"
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/dropout.h"
#include "kernels/ops/embedding.h"
#include "kernels/ops/gelu.h"
#include "kernels/ops/gemm.h"
#include "kernels/ops/head_norm.h"
#include "kernels/ops/layer_norm.h"
#include "kernels/ops/reduce.h"
#include "kernels/ops/rms_norm.h"
#include "kernels/ops/rope.h"
#include "kernels/ops/swiglu.h"

namespace cadmus::cuda {

void RegisterKernels(KernelTable& table) {
  table.Add<AdamWArgs>(&AdamW);
  table.Add<BiasGradientArgs>(&BiasGradient);
  table.Add<CastArgs>(&Cast);
  table.Add<CrossEntropyArgs>(&CrossEntropy);
  table.Add<LogitStatisticsArgs>(&LogitStatistics);
  table.Add<SplitCrossEntropyArgs>(&SplitCrossEntropy);
  table.Add<DropoutArgs>(&Dropout);
  table.Add<EmbeddingForwardArgs>(&EmbeddingForward);
  table.Add<EmbeddingBackwardArgs>(&EmbeddingBackward);
  table.Add<GeluForwardArgs>(&GeluForward);
  table.Add<GeluBackwardArgs>(&GeluBackward);
  table.Add<HeadNormForwardArgs>(&HeadNormForward);
  table.Add<HeadNormBackwardArgs>(&HeadNormBackward);
  table.Add<LayerNormForwardArgs>(&LayerNormForward);
  table.Add<LayerNormBackwardArgs>(&LayerNormBackward);
  table.Add<SumArgs>(&Sum);
  table.Add<SquaredNormArgs>(&SquaredNorm);
  table.Add<ClipFactorArgs>(&ClipFactor);
  table.Add<RmsNormForwardArgs>(&RmsNormForward);
  table.Add<RmsNormBackwardArgs>(&RmsNormBackward);
  table.Add<RopeArgs>(&Rope);
  table.Add<SwiGluForwardArgs>(&SwiGluForward);
  table.Add<SwiGluBackwardArgs>(&SwiGluBackward);
  table.AddPlanner<GemmSpec, GemmPlan>(&MakeGemmPlan);
  table.Add<GemmArgs>(&Gemm);
  table.AddPlanner<AttentionSpec, AttentionPlan>(&MakeAttentionPlan);
  table.Add<AttentionForwardArgs>(&AttentionForward);
  table.Add<AttentionBackwardArgs>(&AttentionBackward);
}

}  // namespace cadmus::cuda
