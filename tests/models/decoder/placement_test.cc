// SPDX-License-Identifier: Apache-2.0
// Placement of the family: every parameter of a model is placed, its slices tile it once over the
// owners, query heads meet their key/value heads, and sizes that do not divide are named.
#include "models/decoder/placement.h"

#include <gmock/gmock.h>

#include <memory>
#include <set>

#include <gtest/gtest.h>
#include "collectives/sim/sim_communicator.h"
#include "kernels/base/error.h"
#include "kernels/open_device.h"

namespace cadmus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

DecoderShape SmallShape() {
  return {.family = "llama",
          .vocab_size = 101,
          .hidden_size = 24,
          .intermediate_size = 48,
          .num_layers = 2,
          .num_heads = 8,
          .num_kv_heads = 2,
          .head_dim = 4,
          .max_positions = 16,
          .rope_theta = 10000,
          .norm_epsilon = 1e-5,
          .initial_std = 0.02};
}

DecoderShape QwenShape() {
  DecoderShape shape = SmallShape();
  shape.qk_norm = shape.qkv_bias = true;
  shape.window = 5;
  return shape;
}

DecoderShape Gpt2Shape() {
  DecoderShape shape = SmallShape();
  shape.num_kv_heads = shape.num_heads;
  shape.tied_embeddings = true;
  shape.norm = NormKind::kLayer;
  shape.feed_forward = FeedForward::kGelu;
  shape.positions = Positions::kLearned;
  shape.qkv_bias = shape.other_biases = true;
  return shape;
}

// A model whose parameters are placed for one rank of `tp`, on paper.
struct PlacedModel {
  PlacedModel(const DecoderShape& shape, int rank, int tp, const TensorParallelOptions& options)
      : device(OpenDevice({.kind = DeviceKind::kSim, .memory_bytes = 1 << 26})),
        stream(device->NewStream(StreamKind::kCompute, "compute")),
        ranks("tp", rank, tp, *device),
        kv_replicas("kv_replicas", rank % NumKvReplicas(shape, tp), NumKvReplicas(shape, tp),
                    *device),
        parallel(ranks, NumKvReplicas(shape, tp) > 1 ? &kv_replicas : nullptr, options),
        model(shape, Precision(), *stream),
        parameters(model.stage().Parameters()) {
    for (Parameter* parameter : parameters) PlaceParameter(*parameter, shape, parallel);
  }

  Parameter& operator[](const std::string& name) {
    for (Parameter* parameter : parameters) {
      if (parameter->name == name) return *parameter;
    }
    throw Error(Kind::kInternal, name);
  }

  std::unique_ptr<Device> device;
  std::unique_ptr<Stream> stream;
  SimCommunicator ranks, kv_replicas;
  TensorParallel parallel;
  DecoderModel model;
  std::vector<Parameter*> parameters;
};

TEST(DecoderPlacement, OwnersTileEveryParameterOnce) {
  for (const DecoderShape& shape : {SmallShape(), QwenShape(), Gpt2Shape()}) {
    for (const int tp : {2, 4, 8}) {
      int64_t owned = 0;
      for (int rank = 0; rank < tp; ++rank) {
        PlacedModel placed(shape, rank, tp, {});
        for (const Parameter* parameter : placed.parameters) {
          for (const PlacedSlice& slice : parameter->slices) {
            if (slice.is_owner()) owned += slice.extent.num_elements();
          }
        }
      }
      EXPECT_EQ(owned, NumParameters(shape)) << tp;
    }
  }
}

TEST(DecoderPlacement, EveryParameterHasANormSlotOfItsOwn) {
  for (const DecoderShape& shape : {SmallShape(), QwenShape(), Gpt2Shape()}) {
    PlacedModel placed(shape, 0, 1, {});
    std::set<int> slots;
    for (const Parameter* parameter : placed.parameters) slots.insert(parameter->norm_slot);
    EXPECT_EQ(slots.size(), placed.parameters.size());
    EXPECT_EQ(*slots.begin(), 0);
    // The slot of a head of its own is the last.
    const int last = DecoderModel::NumNormSlots(shape) - (shape.tied_embeddings ? 2 : 1);
    EXPECT_EQ(*slots.rbegin(), last);
  }
}

TEST(DecoderPlacement, OneRankHoldsParametersWholeAndNoPartialRows) {
  const auto device = OpenDevice({.kind = DeviceKind::kSim, .memory_bytes = 1 << 26});
  const auto stream = device->NewStream(StreamKind::kCompute, "compute");
  DecoderModel model(SmallShape(), Precision(), *stream);
  for (Parameter* parameter : model.stage().Parameters()) {
    PlaceParameter(*parameter, SmallShape(), TensorParallel());
    EXPECT_THAT(parameter->slices, IsEmpty());
    EXPECT_THAT(parameter->partial_rows, IsEmpty());
  }
}

// Rank 5 of 8 has query head 5 of 8, which reads key/value head 1 of 2; so do ranks 4, 6 and 7.
TEST(DecoderPlacement, QueryHeadsMeetTheirKeyValueHeads) {
  PlacedModel placed(SmallShape(), 5, 8, {});
  const Parameter& qkv = placed["blocks.1.attention.qkv.weight"];
  EXPECT_EQ(qkv.LocalShape(), Shape({3 * 4, 24}));
  ASSERT_EQ(qkv.slices.size(), 3U);
  EXPECT_EQ(qkv.slices[0].global_offset, Shape({5 * 4, 0}));
  EXPECT_EQ(qkv.slices[1].global_offset, Shape({8 * 4 + 1 * 4, 0}));
  EXPECT_EQ(qkv.slices[2].global_offset, Shape({8 * 4 + 2 * 4 + 1 * 4, 0}));
  EXPECT_EQ(qkv.slices[1].replica, 1);
  EXPECT_EQ(qkv.slices[1].num_replicas, 4);
  ASSERT_EQ(qkv.partial_rows.size(), 1U);
  EXPECT_EQ(qkv.partial_rows[0].begin, 4);
  EXPECT_EQ(qkv.partial_rows[0].end, 12);
  EXPECT_EQ(qkv.partial_rows[0].ranks, &placed.kv_replicas);
  const Parameter& out = placed["blocks.1.attention.out.weight"];
  EXPECT_EQ(out.LocalShape(), Shape({24, 4}));
  EXPECT_EQ(out.slices[0].global_offset, Shape({0, 5 * 4}));
}

TEST(DecoderPlacement, WithAHeadForEveryRankNothingIsPartial) {
  for (const DecoderShape& shape : {SmallShape(), Gpt2Shape()}) {
    PlacedModel placed(shape, 1, 2, {.sequence_parallel = false});
    for (const Parameter* parameter : placed.parameters) {
      EXPECT_THAT(parameter->partial_rows, IsEmpty()) << parameter->name;
    }
  }
}

TEST(DecoderPlacement, ABiasLiesAsTheRowsOfItsMatrix) {
  PlacedModel qwen(QwenShape(), 5, 8, {});
  const Parameter& qkv = qwen["blocks.1.attention.qkv.bias"];
  EXPECT_EQ(qkv.LocalShape(), Shape({3 * 4}));
  ASSERT_EQ(qkv.slices.size(), 3U);
  EXPECT_EQ(qkv.slices[1].global_offset, Shape({8 * 4 + 1 * 4}));
  ASSERT_EQ(qkv.partial_rows.size(), 1U);
  EXPECT_EQ(qkv.partial_rows[0].begin, 4);
  EXPECT_EQ(qkv.partial_rows[0].end, 12);
  PlacedModel gpt2(Gpt2Shape(), 3, 4, {});
  EXPECT_EQ(gpt2["blocks.0.mlp.up.weight"].LocalShape(), Shape({12, 24}));
  EXPECT_EQ(gpt2["blocks.0.mlp.up.bias"].slices[0].global_offset, Shape({36}));
  for (const char* name : {"blocks.0.attention.out.bias", "blocks.0.mlp.down.bias"}) {
    EXPECT_EQ(gpt2[name].LocalShape(), Shape({24})) << name;
    EXPECT_THAT(gpt2[name].partial_rows, IsEmpty()) << name;
  }
}

// Each rank norms its own heads, whether tokens are split or not.
TEST(DecoderPlacement, NormsOfHeadsAreAlwaysPartial) {
  for (const bool sequence_parallel : {false, true}) {
    PlacedModel placed(QwenShape(), 1, 2, {.sequence_parallel = sequence_parallel});
    for (const char* name :
         {"blocks.0.attention.q_norm.weight", "blocks.1.attention.k_norm.weight"}) {
      const Parameter& weight = placed[name];
      EXPECT_EQ(weight.LocalShape(), Shape({4}));
      ASSERT_EQ(weight.partial_rows.size(), 1U) << name;
      EXPECT_EQ(weight.partial_rows[0].end, 4);
      EXPECT_EQ(weight.partial_rows[0].ranks, &placed.ranks);
    }
  }
}

TEST(DecoderPlacement, GateAndUpAreOfTheSameHiddenColumns) {
  PlacedModel placed(SmallShape(), 1, 4, {});
  const Parameter& gate_up = placed["blocks.0.mlp.gate_up.weight"];
  ASSERT_EQ(gate_up.slices.size(), 2U);
  EXPECT_EQ(gate_up.slices[0].global_offset, Shape({12, 0}));
  EXPECT_EQ(gate_up.slices[1].global_offset, Shape({48 + 12, 0}));
  EXPECT_EQ(placed["blocks.0.mlp.down.weight"].slices[0].global_offset, Shape({0, 12}));
}

TEST(DecoderPlacement, TheVocabularyIsPaddedAtItsEnd) {
  PlacedModel placed(SmallShape(), 3, 4, {});
  for (const char* name : {"embedding.weight", "head.weight"}) {
    const Parameter& table = placed[name];
    EXPECT_EQ(table.LocalShape(), Shape({26, 24}));
    EXPECT_EQ(table.slices[0].extent, Shape({101 - 78, 24}));
  }
}

TEST(DecoderPlacement, NormsArePartialWhereTokensAreSplit) {
  std::set<std::string> partial;
  PlacedModel placed(SmallShape(), 0, 2, {});
  for (const Parameter* parameter : placed.parameters) {
    for (const PartialRows& rows : parameter->partial_rows) {
      partial.insert(parameter->name);
      EXPECT_EQ(rows.begin, 0);
      EXPECT_EQ(rows.end, 24);
      EXPECT_EQ(rows.ranks, &placed.ranks);
    }
  }
  EXPECT_THAT(partial, ElementsAre("blocks.0.attention_norm.weight", "blocks.0.mlp_norm.weight",
                                   "blocks.1.attention_norm.weight", "blocks.1.mlp_norm.weight",
                                   "final_norm.weight"));
}

TEST(DecoderPlacement, LearnedPositionsAndNormBiasesArePartialWhereTokensAreSplit) {
  PlacedModel placed(Gpt2Shape(), 0, 2, {});
  const Parameter& positions = placed["positions.weight"];
  EXPECT_EQ(positions.LocalShape(), Shape({16, 24}));
  ASSERT_EQ(positions.partial_rows.size(), 1U);
  EXPECT_EQ(positions.partial_rows[0].end, 16);
  EXPECT_EQ(placed["final_norm.bias"].partial_rows.size(), 1U);
}

TEST(DecoderPlacement, ReplicatedHeadsWithoutTheirGroupAreRefused) {
  const auto device = OpenDevice({.kind = DeviceKind::kSim, .memory_bytes = 1 << 26});
  SimCommunicator ranks("tp", 0, 4, *device);
  const TensorParallel parallel(ranks, nullptr, {});
  Parameter qkv = {.name = "blocks.0.attention.qkv.weight", .shape = {48, 24}};
  EXPECT_THROW(PlaceParameter(qkv, SmallShape(), parallel), Error);
}

TEST(DecoderPlacement, AnUnknownNameIsRefused) {
  EXPECT_THROW(DecoderPlacement("blocks.0.router.weight", SmallShape(), 2), Error);
  EXPECT_THROW(DecoderPlacement("blocks.0.mlp.down.scale", SmallShape(), 2), Error);
}

TEST(TensorParallelProblems, EachSizeThatDoesNotDivideIsNamedWithATpThatWould) {
  EXPECT_THAT(TensorParallelProblems(SmallShape(), 1), IsEmpty());
  EXPECT_THAT(TensorParallelProblems(SmallShape(), 8), IsEmpty());
  EXPECT_THAT(
      TensorParallelProblems(SmallShape(), 5),
      ElementsAre("parallel.tp = 5 does not divide model.llama.num_attention_heads = 8; the next "
                  "smaller tp that this model allows is 4",
                  "parallel.tp = 5 and model.llama.num_key_value_heads = 2: one must divide the "
                  "other; the next smaller tp that this model allows is 4",
                  "parallel.tp = 5 does not divide model.llama.intermediate_size = 48; the next "
                  "smaller tp that this model allows is 4"));
  DecoderShape three = SmallShape();
  three.num_heads = 6;
  three.num_kv_heads = 3;
  EXPECT_THAT(TensorParallelProblems(three, 2),
              ElementsAre(HasSubstr("num_key_value_heads = 3: one must divide the other; the next "
                                    "smaller tp that this model allows is 1")));
  EXPECT_THAT(TensorParallelProblems(three, 6), IsEmpty());
}

}  // namespace
}  // namespace cadmus
