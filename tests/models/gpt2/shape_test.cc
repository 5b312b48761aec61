// SPDX-License-Identifier: Apache-2.0
// What the GPT-2 family says of itself, its size, its work, its mistakes.
#include "models/gpt2/shape.h"

#include <gmock/gmock.h>

#include <functional>

#include "kernels/base/error.h"
#include "kernels/open_device.h"
#include "models/decoder/model.h"
#include "models/gpt2/gpt2_config.pb.h"

namespace cadmus {
namespace {

using testing::HasSubstr;

Gpt2Config SmallConfig() {
  Gpt2Config config;
  config.set_vocab_size(101);
  config.set_hidden_size(24);
  config.set_num_hidden_layers(3);
  config.set_num_attention_heads(6);
  config.set_max_position_embeddings(16);
  return config;
}

TEST(Gpt2Shape, DefaultsFollowTheOtherFields) {
  Gpt2Config config = SmallConfig();
  DecoderShape shape = MakeShape(config);
  EXPECT_EQ(shape.head_dim, 4);
  EXPECT_EQ(shape.num_kv_heads, 6);
  EXPECT_EQ(shape.intermediate_size, 96);
  EXPECT_TRUE(shape.tied_embeddings);
  config.set_intermediate_size(40);
  config.set_tie_word_embeddings(false);
  shape = MakeShape(config);
  EXPECT_EQ(shape.intermediate_size, 40);
  EXPECT_FALSE(shape.tied_embeddings);
}

TEST(Gpt2Shape, EachMistakeIsNamed) {
  const auto refusal = [](const std::function<void(Gpt2Config&)>& spoil) -> std::string {
    Gpt2Config config = SmallConfig();
    spoil(config);
    try {
      MakeShape(config);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kConfig);
      return error.message();
    }
    return "accepted";
  };
  using C = Gpt2Config;
  EXPECT_THAT(refusal([](C& c) { c.clear_vocab_size(); }),
              HasSubstr("model.gpt2.vocab_size is missing"));
  EXPECT_THAT(refusal([](C& c) { c.set_hidden_size(0); }), HasSubstr("hidden_size is 0"));
  EXPECT_THAT(refusal([](C& c) { c.clear_num_hidden_layers(); }),
              HasSubstr("num_hidden_layers is missing"));
  EXPECT_THAT(refusal([](C& c) { c.set_num_attention_heads(5); }),
              HasSubstr("num_attention_heads = 5 does not divide hidden_size = 24"));
  EXPECT_THAT(refusal([](C& c) { c.set_intermediate_size(-1); }),
              HasSubstr("intermediate_size is -1"));
  EXPECT_THAT(refusal([](C& c) { c.clear_max_position_embeddings(); }),
              HasSubstr("max_position_embeddings is missing"));
  EXPECT_THAT(refusal([](C& c) { c.set_layer_norm_epsilon(0); }), HasSubstr("layer_norm_epsilon"));
  EXPECT_THAT(refusal([](C& c) { c.set_initializer_range(-1); }), HasSubstr("initializer_range"));
  EXPECT_THAT(refusal([](C& c) { c.set_dropout(1); }), HasSubstr("dropout is 1"));
}

TEST(Gpt2Model, NumParametersIsTheSumOverTheParameters) {
  const auto device = OpenDevice({.memory_bytes = int64_t{1} << 20, .pool = MakeThreadPool(1)});
  const auto stream = device->NewStream(StreamKind::kCompute, "compute");
  for (const bool tied : {false, true}) {
    Gpt2Config config = SmallConfig();
    config.set_tie_word_embeddings(tied);
    const DecoderShape shape = MakeShape(config);
    DecoderModel model(shape, Precision::All(DType::kF32), *stream);
    int64_t sum = 0;
    for (const Parameter* parameter : model.stage().Parameters())
      sum += parameter->shape.num_elements();
    EXPECT_EQ(NumParameters(shape), sum) << "tied " << tied;
  }
}

TEST(Gpt2Model, TrainingFlopsIsTheCountByHand) {
  // Per layer four matrices of the block: 3·24·24, 24·24, and two of 24·96; the head is 24·101.
  const double weights = 3 * (4 * 576 + 2 * 2304) + 2424;
  const double attention = 3 * (2 * 2 * 6 * 4 * 128) * 3.5;
  EXPECT_DOUBLE_EQ(TrainingFlops(MakeShape(SmallConfig()), 16), 6 * weights * 16 + attention);
}

}  // namespace
}  // namespace cadmus
