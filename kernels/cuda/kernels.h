// SPDX-License-Identifier: Apache-2.0
// The kernels of the cuda device, for register.cc. Each computes what the header of its op says;
// arguments have passed the op's checks.
#pragma once

#include <memory>

namespace cadmus {

class Device;
class Stream;
struct RmsNormForwardArgs;
struct RmsNormBackwardArgs;
struct HeadNormForwardArgs;
struct HeadNormBackwardArgs;
struct LayerNormForwardArgs;
struct LayerNormBackwardArgs;
struct RopeArgs;
struct SwiGluForwardArgs;
struct SwiGluBackwardArgs;
struct GeluForwardArgs;
struct GeluBackwardArgs;
struct BiasGradientArgs;
struct EmbeddingForwardArgs;
struct EmbeddingBackwardArgs;
struct CrossEntropyArgs;
struct LogitStatisticsArgs;
struct SplitCrossEntropyArgs;
struct AdamWArgs;
struct SumArgs;
struct SquaredNormArgs;
struct ClipFactorArgs;
struct CastArgs;
struct DropoutArgs;
struct GemmSpec;
struct GemmPlan;
struct GemmArgs;
struct AttentionSpec;
struct AttentionPlan;
struct AttentionForwardArgs;
struct AttentionBackwardArgs;

namespace cuda {

void RmsNormForward(const RmsNormForwardArgs& args, Stream& stream);
void RmsNormBackward(const RmsNormBackwardArgs& args, Stream& stream);
void HeadNormForward(const HeadNormForwardArgs& args, Stream& stream);
void HeadNormBackward(const HeadNormBackwardArgs& args, Stream& stream);
void LayerNormForward(const LayerNormForwardArgs& args, Stream& stream);
void LayerNormBackward(const LayerNormBackwardArgs& args, Stream& stream);
void Rope(const RopeArgs& args, Stream& stream);
void SwiGluForward(const SwiGluForwardArgs& args, Stream& stream);
void SwiGluBackward(const SwiGluBackwardArgs& args, Stream& stream);
void GeluForward(const GeluForwardArgs& args, Stream& stream);
void GeluBackward(const GeluBackwardArgs& args, Stream& stream);
void BiasGradient(const BiasGradientArgs& args, Stream& stream);
void EmbeddingForward(const EmbeddingForwardArgs& args, Stream& stream);
void EmbeddingBackward(const EmbeddingBackwardArgs& args, Stream& stream);
void CrossEntropy(const CrossEntropyArgs& args, Stream& stream);
void LogitStatistics(const LogitStatisticsArgs& args, Stream& stream);
void SplitCrossEntropy(const SplitCrossEntropyArgs& args, Stream& stream);
void AdamW(const AdamWArgs& args, Stream& stream);
void Sum(const SumArgs& args, Stream& stream);
void SquaredNorm(const SquaredNormArgs& args, Stream& stream);
void ClipFactor(const ClipFactorArgs& args, Stream& stream);
void Cast(const CastArgs& args, Stream& stream);
void Dropout(const DropoutArgs& args, Stream& stream);
std::shared_ptr<const GemmPlan> MakeGemmPlan(const GemmSpec& spec, Device& device);
void Gemm(const GemmArgs& args, Stream& stream);
std::shared_ptr<const AttentionPlan> MakeAttentionPlan(const AttentionSpec& spec, Device& device);
void AttentionForward(const AttentionForwardArgs& args, Stream& stream);
void AttentionBackward(const AttentionBackwardArgs& args, Stream& stream);

}  // namespace cuda
}  // namespace cadmus
