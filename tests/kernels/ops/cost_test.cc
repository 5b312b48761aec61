// SPDX-License-Identifier: Apache-2.0
// What the sim device records of each op: its name, its floating-point operations and the bytes
// that it must move.
#include <gtest/gtest.h>

#include "kernels/device/tensor.h"
#include "kernels/device/trace.h"
#include "kernels/open_device.h"
#include "kernels/ops/adamw.h"
#include "kernels/ops/bias_gradient.h"
#include "kernels/ops/cast.h"
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/dropout.h"
#include "kernels/ops/embedding.h"
#include "kernels/ops/gelu.h"
#include "kernels/ops/head_norm.h"
#include "kernels/ops/layer_norm.h"
#include "kernels/ops/reduce.h"
#include "kernels/ops/rms_norm.h"
#include "kernels/ops/rope.h"
#include "kernels/ops/swiglu.h"

namespace cadmus {
namespace {

// Views of T = 7 tokens and D = 10 columns on a sim device.
class OpCosts : public ::testing::Test {
 protected:
  Tensor New(DType dtype, const Shape& shape) {
    return Tensor(dtype, shape, MemoryCategory::kWorkspace, *stream_);
  }
  // The cost of the one op that was recorded since the last call, which must be `name`.
  OpCost Recorded(const std::string& name) {
    Trace& trace = *device_->trace();
    EXPECT_EQ(trace.entries().size(), 1U) << name;
    const TraceEntry entry = trace.entries().empty() ? TraceEntry() : trace.entries().front();
    EXPECT_EQ(entry.name, name);
    trace.Clear();
    return entry.cost;
  }

  std::unique_ptr<Device> device_ = OpenDevice({.kind = DeviceKind::kSim});
  std::unique_ptr<Stream> stream_ = device_->NewStream(StreamKind::kCompute, "compute");
  Tensor x_ = New(DType::kF32, {7, 10});
  Tensor y_ = New(DType::kF32, {7, 10});
  Tensor column_ = New(DType::kF32, {10});
  Tensor row_ = New(DType::kF32, {7});
  Tensor tokens_ = New(DType::kI32, {7});
  Tensor scalars_ = New(DType::kU8, {kStepScalarsBytes});
  Tensor one_ = New(DType::kF64, {1});
  Tensor workspace_ = New(DType::kU8, {4096});
};

TEST_F(OpCosts, RmsNorm) {
  RmsNormForward({.x_TD = x_, .weight_D = column_, .y_TD = y_, .rstd_T = row_}, *stream_);
  OpCost cost = Recorded("RmsNormForward");
  EXPECT_EQ(cost.flops, 4 * 70);
  EXPECT_EQ(cost.bytes, 4 * (2 * 70 + 10 + 7));
  RmsNormBackward({.s_TD = x_,
                   .weight_D = column_,
                   .rstd_T = row_,
                   .dy_TD = y_,
                   .ds_TD = y_,
                   .dweight_D = column_,
                   .dweight_mode = GradMode::kAccumulate,
                   .workspace = workspace_},
                  *stream_);
  cost = Recorded("RmsNormBackward");
  EXPECT_EQ(cost.flops, 10 * 70);
  EXPECT_EQ(cost.bytes, 4 * (3 * 70 + 3 * 10 + 7));
}

TEST_F(OpCosts, LayerNorm) {
  LayerNormForward({.x_TD = x_,
                    .weight_D = column_,
                    .bias_D = column_,
                    .y_TD = y_,
                    .mean_T = row_,
                    .rstd_T = row_},
                   *stream_);
  OpCost cost = Recorded("LayerNormForward");
  EXPECT_EQ(cost.flops, 8 * 70);
  EXPECT_EQ(cost.bytes, 4 * (2 * 70 + 2 * 10 + 2 * 7));
  LayerNormBackward({.s_TD = x_,
                     .weight_D = column_,
                     .mean_T = row_,
                     .rstd_T = row_,
                     .dy_TD = y_,
                     .ds_TD = y_,
                     .dweight_D = column_,
                     .dbias_D = column_,
                     .dweight_mode = GradMode::kAccumulate,
                     .workspace = workspace_},
                    *stream_);
  cost = Recorded("LayerNormBackward");
  EXPECT_EQ(cost.flops, 13 * 70);
  EXPECT_EQ(cost.bytes, 4 * (3 * 70 + 4 * 10 + 2 * 7));
}

TEST_F(OpCosts, HeadNorm) {
  const TensorView x = x_.view().Reshape({7, 2, 5}), y = y_.view().Reshape({7, 2, 5});
  const Tensor weight = New(DType::kF32, {5}), rstd = New(DType::kF32, {7, 2});
  HeadNormForward({.x_THD = x, .weight_D = weight, .y_THD = y, .rstd_TH = rstd}, *stream_);
  OpCost cost = Recorded("HeadNormForward");
  EXPECT_EQ(cost.flops, 4 * 70);
  EXPECT_EQ(cost.bytes, 4 * (2 * 70 + 5 + 14));
  HeadNormBackward({.x_THD = x,
                    .weight_D = weight,
                    .rstd_TH = rstd,
                    .dy_THD = y,
                    .dx_THD = y,
                    .dweight_D = weight,
                    .workspace = workspace_},
                   *stream_);
  cost = Recorded("HeadNormBackward");
  EXPECT_EQ(cost.flops, 10 * 70);
  EXPECT_EQ(cost.bytes, 4 * (3 * 70 + 2 * 5 + 14));
}

TEST_F(OpCosts, GeluAndBiasGradient) {
  GeluForward({.x_TF = x_, .y_TF = y_}, *stream_);
  EXPECT_EQ(Recorded("GeluForward").bytes, 4 * (2 * 70));
  GeluBackward({.x_TF = x_, .dy_TF = y_, .dx_TF = y_}, *stream_);
  EXPECT_EQ(Recorded("GeluBackward").bytes, 4 * (3 * 70));
  BiasGradient({.dy_TN = x_, .dbias_N = column_, .workspace = workspace_}, *stream_);
  const OpCost cost = Recorded("BiasGradient");
  EXPECT_EQ(cost.flops, 70);
  EXPECT_EQ(cost.bytes, 4 * (70 + 10));
}

TEST_F(OpCosts, Rope) {
  const Tensor table = New(DType::kF32, {100, 5});
  Rope({.x_BSND = x_.view().Reshape({1, 7, 1, 10}),
        .positions_BS = tokens_.view().Reshape({1, 7}),
        .cos_PF = table,
        .sin_PF = table},
       *stream_);
  const OpCost cost = Recorded("Rope");
  EXPECT_EQ(cost.flops, 3 * 70);
  EXPECT_EQ(cost.bytes, 4 * (2 * 70 + 7 + 2 * 7 * 5));
}

TEST_F(OpCosts, SwiGlu) {
  const Tensor gate_up = New(DType::kF32, {7, 20});
  SwiGluForward({.gate_up_TG = gate_up, .y_TF = y_}, *stream_);
  EXPECT_EQ(Recorded("SwiGluForward").bytes, 4 * (140 + 70));
  SwiGluBackward({.gate_up_TG = gate_up, .dy_TF = y_, .dgate_up_TG = gate_up}, *stream_);
  EXPECT_EQ(Recorded("SwiGluBackward").bytes, 4 * (140 + 70 + 140));
}

TEST_F(OpCosts, Embedding) {
  const Tensor table = New(DType::kF32, {1000, 10});
  EmbeddingForward({.tokens_T = tokens_, .table_VD = table, .y_TD = y_}, *stream_);
  EXPECT_EQ(Recorded("EmbeddingForward").bytes, 4 * (7 + 2 * 70));
  EmbeddingForward({.tokens_T = tokens_, .table_VD = table, .add_TD = x_, .y_TD = y_}, *stream_);
  OpCost cost = Recorded("EmbeddingForward");
  EXPECT_EQ(cost.flops, 70);
  EXPECT_EQ(cost.bytes, 4 * (7 + 3 * 70));
  EmbeddingBackwardArgs args = {.tokens_T = tokens_, .dy_TD = y_, .dtable_VD = table};
  EmbeddingBackward(args, *stream_);
  cost = Recorded("EmbeddingBackward");
  EXPECT_EQ(cost.flops, 70);
  EXPECT_EQ(cost.bytes, 4 * (7 + 3 * 70 + 10000));
  args.mode = GradMode::kAccumulate;
  EmbeddingBackward(args, *stream_);
  EXPECT_EQ(Recorded("EmbeddingBackward").bytes, 4 * (7 + 3 * 70));
  // Half of the vocabulary is here, so half of the tokens are expected to be.
  args.part = VocabularyPart{.first = 1000, .vocab_size = 2000};
  EmbeddingBackward(args, *stream_);
  cost = Recorded("EmbeddingBackward");
  EXPECT_EQ(cost.flops, 35);
  EXPECT_EQ(cost.bytes, 4 * (7 + 3 * 35));
  EmbeddingForward({.tokens_T = tokens_, .table_VD = table, .part = args.part, .y_TD = y_},
                   *stream_);
  EXPECT_EQ(Recorded("EmbeddingForward").bytes, 4 * (7 + 70 + 35));
}

TEST_F(OpCosts, CrossEntropy) {
  CrossEntropyArgs args = {
      .logits_TV = x_, .labels_T = tokens_, .scalars = scalars_, .loss_T = row_};
  CrossEntropy(args, *stream_);
  EXPECT_EQ(Recorded("CrossEntropy").bytes, 4 * (2 * 70 + 2 * 7));
  args.gradient = LogitGradient::kNone;
  CrossEntropy(args, *stream_);
  EXPECT_EQ(Recorded("CrossEntropy").bytes, 4 * (70 + 2 * 7));
}

TEST_F(OpCosts, SplitCrossEntropy) {
  const Tensor statistics = New(DType::kF64, {4, 3, 7});
  LogitStatistics({.logits_TV = x_,
                   .labels_T = tokens_,
                   .part = {.first = 30, .vocab_size = 38},
                   .statistics_3T = statistics.view().Slice(0, 3, 4).Reshape({3, 7})},
                  *stream_);
  OpCost cost = Recorded("LogitStatistics");
  EXPECT_EQ(cost.flops, 4 * 70);
  EXPECT_EQ(cost.bytes, 4 * (70 + 7) + 8 * 21);
  SplitCrossEntropyArgs args = {.logits_TV = x_,
                                .labels_T = tokens_,
                                .statistics_R3T = statistics,
                                .scalars = scalars_,
                                .part = {.first = 30, .vocab_size = 38},
                                .loss_T = row_};
  SplitCrossEntropy(args, *stream_);
  cost = Recorded("SplitCrossEntropy");
  EXPECT_EQ(cost.flops, 3 * 70 + 5 * 28);
  EXPECT_EQ(cost.bytes, 4 * (2 * 70 + 2 * 7) + 8 * 84);
  args.gradient = LogitGradient::kNone;
  SplitCrossEntropy(args, *stream_);
  cost = Recorded("SplitCrossEntropy");
  EXPECT_EQ(cost.flops, 5 * 28);
  EXPECT_EQ(cost.bytes, 4 * 2 * 7 + 8 * 84);
}

TEST_F(OpCosts, AdamW) {
  const Tensor state = New(DType::kF64, {10});
  AdamW({.scalars = scalars_,
         .grad_N = column_,
         .master_N = state,
         .m_N = state,
         .v_N = state,
         .weight_N = column_},
        *stream_);
  const OpCost cost = Recorded("AdamW");
  EXPECT_EQ(cost.flops, 15 * 10);
  EXPECT_EQ(cost.bytes, 2 * 4 * 10 + 6 * 8 * 10);
}

TEST_F(OpCosts, Reductions) {
  Sum({.x_N = column_, .out = one_, .workspace = workspace_}, *stream_);
  EXPECT_EQ(Recorded("Sum").flops, 10);
  SquaredNorm({.x_N = column_, .out = one_, .workspace = workspace_}, *stream_);
  const OpCost cost = Recorded("SquaredNorm");
  EXPECT_EQ(cost.flops, 20);
  EXPECT_EQ(cost.bytes, 40 + 8);
  ClipFactor({.squared_norm = one_, .max_norm = 1, .norm = one_, .scalars = scalars_}, *stream_);
  Recorded("ClipFactor");
}

TEST_F(OpCosts, CastAndDropout) {
  const Tensor wide = New(DType::kF64, {7, 10});
  Cast({.x = wide, .y = y_}, *stream_);
  EXPECT_EQ(Recorded("Cast").bytes, 12 * 70);
  Dropout({.x_TD = x_, .residual_TD = y_, .y_TD = y_}, *stream_);
  const OpCost cost = Recorded("Dropout");
  EXPECT_EQ(cost.flops, 70);
  EXPECT_EQ(cost.bytes, 4 * 3 * 70);
}

TEST_F(OpCosts, EmptyWorkIsNotRecorded) {
  const Tensor empty = New(DType::kF32, {0, 10});
  const Tensor no_rows = New(DType::kF32, {0});
  RmsNormForward({.x_TD = empty, .weight_D = column_, .y_TD = empty, .rstd_T = no_rows}, *stream_);
  Cast({.x = empty, .y = empty}, *stream_);
  Dropout({.x_TD = empty, .y_TD = empty}, *stream_);
  EXPECT_TRUE(device_->trace()->entries().empty());
}

}  // namespace
}  // namespace cadmus
