// SPDX-License-Identifier: Apache-2.0
// What the family says of itself, its size, its work, its mistakes, against counts made elsewhere.
#include "models/llama/shape.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <memory>

#include "kernels/base/error.h"
#include "kernels/open_device.h"
#include "models/decoder/model.h"
#include "models/llama/llama_config.pb.h"

namespace cadmus {
namespace {

using testing::HasSubstr;

LlamaConfig SmallConfig() {
  LlamaConfig config;
  config.set_vocab_size(101);
  config.set_hidden_size(24);
  config.set_intermediate_size(40);
  config.set_num_hidden_layers(3);
  config.set_num_attention_heads(6);
  config.set_num_key_value_heads(2);
  config.set_max_position_embeddings(16);
  return config;
}

std::string Refusal(const LlamaConfig& config) {
  try {
    MakeShape(config);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Kind::kConfig);
    return e.message();
  }
  return "accepted";
}

TEST(DecoderShape, DefaultsFollowTheOtherFields) {
  LlamaConfig config = SmallConfig();
  EXPECT_EQ(MakeShape(config).head_dim, 4);
  EXPECT_EQ(MakeShape(config).num_kv_heads, 2);
  config.clear_num_key_value_heads();
  config.set_head_dim(10);
  EXPECT_EQ(MakeShape(config).head_dim, 10);
  EXPECT_EQ(MakeShape(config).num_kv_heads, 6);
}

TEST(DecoderShape, EachMistakeIsNamed) {
  const auto refusal = [](const std::function<void(LlamaConfig&)>& spoil) {
    LlamaConfig config = SmallConfig();
    spoil(config);
    return Refusal(config);
  };
  using C = LlamaConfig;
  EXPECT_THAT(refusal([](C& c) { c.clear_vocab_size(); }), HasSubstr("vocab_size is missing"));
  EXPECT_THAT(refusal([](C& c) { c.clear_hidden_size(); }), HasSubstr("hidden_size is missing"));
  EXPECT_THAT(refusal([](C& c) { c.set_num_hidden_layers(0); }),
              HasSubstr("num_hidden_layers is 0"));
  EXPECT_THAT(refusal([](C& c) { c.set_intermediate_size(-8); }),
              HasSubstr("intermediate_size is -8"));
  EXPECT_THAT(refusal([](C& c) { c.clear_max_position_embeddings(); }),
              HasSubstr("max_position_embeddings is missing"));
  EXPECT_THAT(refusal([](C& c) { c.set_num_key_value_heads(4); }),
              HasSubstr("num_key_value_heads = 4 does not divide num_attention_heads = 6"));
  EXPECT_THAT(refusal([](C& c) { c.set_hidden_size(25); }),
              HasSubstr("num_attention_heads = 6 does not divide hidden_size = 25"));
  EXPECT_THAT(refusal([](C& c) { c.set_head_dim(5); }), HasSubstr("head_dim is 5"));
  EXPECT_THAT(refusal([](C& c) { c.set_dropout(1); }), HasSubstr("dropout is 1"));
  EXPECT_THAT(refusal([](C& c) { c.set_rope_theta(0); }), HasSubstr("rope_theta"));
  EXPECT_THAT(refusal([](C& c) { c.set_rms_norm_eps(-1); }), HasSubstr("rms_norm_eps"));
  EXPECT_THAT(refusal([](C& c) { c.set_initializer_range(std::nan("")); }),
              HasSubstr("initializer_range"));
  EXPECT_THAT(refusal([](C& c) { c.set_sliding_window(0); }),
              HasSubstr("sliding_window is 0; it must be positive; leave it out"));
}

TEST(DecoderShape, EachMistakeOfTheRopeScalingIsNamed) {
  using Scaling = LlamaConfig::RopeScaling;
  const auto refusal = [](const std::function<void(Scaling&)>& spoil) {
    LlamaConfig config = SmallConfig();
    Scaling& scaling = *config.mutable_rope_scaling();
    scaling.set_factor(8);
    scaling.set_low_freq_factor(1);
    scaling.set_high_freq_factor(4);
    scaling.set_original_max_position_embeddings(8);
    spoil(scaling);
    return Refusal(config);
  };
  EXPECT_EQ(refusal([](Scaling&) {}), "accepted");
  EXPECT_THAT(refusal([](Scaling& s) { s.clear_factor(); }),
              HasSubstr("model.llama.rope_scaling.factor is missing"));
  EXPECT_THAT(refusal([](Scaling& s) { s.set_factor(0.5); }),
              HasSubstr("rope_scaling.factor is 0.5; it must be at least 1"));
  EXPECT_THAT(refusal([](Scaling& s) { s.clear_low_freq_factor(); }),
              HasSubstr("rope_scaling.low_freq_factor is missing"));
  EXPECT_THAT(refusal([](Scaling& s) { s.set_low_freq_factor(0); }),
              HasSubstr("rope_scaling.low_freq_factor is 0"));
  EXPECT_THAT(refusal([](Scaling& s) { s.set_high_freq_factor(1); }),
              HasSubstr("rope_scaling.high_freq_factor is 1; it must exceed low_freq_factor = 1"));
  EXPECT_THAT(refusal([](Scaling& s) { s.clear_original_max_position_embeddings(); }),
              HasSubstr("rope_scaling.original_max_position_embeddings is missing"));
}

TEST(DecoderShape, OptionsOfLaterFamiliesArrive) {
  LlamaConfig config = SmallConfig();
  EXPECT_FALSE(MakeShape(config).rope_scaling.has_value());
  EXPECT_EQ(MakeShape(config).window, 0);
  config.set_sliding_window(5);
  config.set_qkv_bias(true);
  config.set_qk_norm(true);
  LlamaConfig::RopeScaling& scaling = *config.mutable_rope_scaling();
  scaling.set_factor(8);
  scaling.set_low_freq_factor(2);
  scaling.set_high_freq_factor(4);
  scaling.set_original_max_position_embeddings(8);
  const DecoderShape shape = MakeShape(config);
  EXPECT_EQ(shape.window, 5);
  EXPECT_TRUE(shape.qkv_bias);
  EXPECT_TRUE(shape.qk_norm);
  EXPECT_FALSE(shape.other_biases);
  EXPECT_EQ(shape.rope_scaling->factor, 8);
  EXPECT_EQ(shape.rope_scaling->low_freq_factor, 2);
  EXPECT_EQ(shape.rope_scaling->high_freq_factor, 4);
  EXPECT_EQ(shape.rope_scaling->original_max_position_embeddings, 8);
}

TEST(DecoderModel, NumParametersIsTheSumOverTheParameters) {
  const auto device = OpenDevice({.memory_bytes = int64_t{1} << 20, .pool = MakeThreadPool(1)});
  const auto stream = device->NewStream(StreamKind::kCompute, "compute");
  for (const bool tied : {false, true}) {
    for (const int64_t head_dim : {4, 6}) {
      LlamaConfig config = SmallConfig();
      config.set_qkv_bias(tied);
      config.set_qk_norm(head_dim == 6);
      config.set_tie_word_embeddings(tied);
      config.set_head_dim(head_dim);
      const DecoderShape shape = MakeShape(config);
      DecoderModel model(shape, Precision::All(DType::kF32), *stream);
      int64_t sum = 0;
      for (const Parameter* parameter : model.stage().Parameters()) {
        sum += parameter->shape.num_elements();
      }
      EXPECT_EQ(NumParameters(shape), sum) << "tied " << tied << ", head_dim " << head_dim;
    }
  }
}

TEST(DecoderModel, TrainingFlopsIsTheCountByHand) {
  const DecoderShape shape = MakeShape(SmallConfig());
  // Weights in matrices, per layer: q and o 24·24 each, k and v 24·8 each, three of 24·40; the head
  // is 24·101.
  const double weights = 3 * (2 * 576 + 2 * 192 + 3 * 960) + 2424;
  // Forward, per layer: two products of 6 heads · 4 columns, two FLOPs per pair; half of the 16·16
  // pairs are let through. Backward is 2.5 times that.
  const double attention = 3 * (2 * 2 * 6 * 4 * 128) * 3.5;
  EXPECT_DOUBLE_EQ(TrainingFlops(shape, 16), 6 * weights * 16 + attention);
  // Tied or not, the head's product is executed.
  LlamaConfig tied = SmallConfig();
  tied.set_tie_word_embeddings(true);
  EXPECT_EQ(TrainingFlops(MakeShape(tied), 16), TrainingFlops(shape, 16));
  // Of the 128 pairs a window of 4 hides those more than 4 apart: half of 12·12.
  LlamaConfig narrow = SmallConfig();
  narrow.set_sliding_window(4);
  EXPECT_DOUBLE_EQ(TrainingFlops(MakeShape(narrow), 16),
                   6 * weights * 16 + attention * (128 - 72) / 128);
  narrow.set_sliding_window(16);
  EXPECT_EQ(TrainingFlops(MakeShape(narrow), 16), TrainingFlops(shape, 16));
}

}  // namespace
}  // namespace cadmus
