// SPDX-License-Identifier: Apache-2.0
// A model with random weights: the KV cache gives the logits that the whole text gives, and a
// continuation does not depend on where the prompt ends.
#include "models/generate/generator.h"

#include <algorithm>
#include <cmath>

#include <memory>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>
#include "kernels/base/error.h"
#include "kernels/open_device.h"
#include "models/decoder/model.h"
#include "runtime/nn/parameter_store.h"

namespace cadmus {
namespace {

constexpr DecoderShape kShape = {.vocab_size = 53,
                                 .hidden_size = 24,
                                 .intermediate_size = 40,
                                 .num_layers = 2,
                                 .num_heads = 6,
                                 .num_kv_heads = 2,
                                 .head_dim = 4,
                                 .max_positions = 16,
                                 .rope_theta = 10000,
                                 .norm_epsilon = 1e-5,
                                 .initial_std = 0.3,  // logits far apart
                                 .dropout = 0.5};     // off in inference

DecoderShape Gpt2Shape() {
  DecoderShape shape = kShape;
  shape.num_kv_heads = shape.num_heads;
  shape.tied_embeddings = true;
  shape.norm = NormKind::kLayer;
  shape.feed_forward = FeedForward::kGelu;
  shape.positions = Positions::kLearned;
  shape.qkv_bias = shape.other_biases = true;
  return shape;
}

// With norms of heads, biases, and a window shorter than the text.
DecoderShape QwenShape() {
  DecoderShape shape = kShape;
  shape.qk_norm = shape.qkv_bias = true;
  shape.window = 4;
  return shape;
}

class GeneratorTest : public testing::Test {
 protected:
  explicit GeneratorTest(const DecoderShape& shape = kShape)
      : shape_(shape),
        device_(OpenDevice({.memory_bytes = int64_t{16} << 20, .pool = MakeThreadPool(2)})),
        stream_(device_->NewStream(StreamKind::kCompute, "compute")),
        precision_(Precision::All(DType::kF64)),
        model_(shape_, precision_, *stream_),
        store_(model_.stage().Parameters(), precision_, *stream_),
        saves_((store_.Initialize(7, *stream_), model_.stage().NewSaves())) {}

  KvCache NewCache() {
    return KvCache({.num_blocks = shape_.num_layers,
                    .batch = 1,
                    .capacity = shape_.max_positions,
                    .num_kv_heads = shape_.num_kv_heads,
                    .head_dim = shape_.head_dim,
                    .dtype = DType::kF64},
                   *stream_);
  }

  // Logits behind the last of `tokens`, which follow what the cache holds.
  std::vector<double> Feed(const std::vector<int32_t>& tokens, KvCache& cache) {
    const auto length = static_cast<int64_t>(tokens.size());
    std::vector<int32_t> positions(tokens.size());
    std::iota(positions.begin(), positions.end(), static_cast<int32_t>(cache.length()));
    const auto upload = [&](const std::vector<int32_t>& values) {
      Tensor tensor(DType::kI32, {1, length}, MemoryCategory::kWorkspace, *stream_);
      device_->CopyToDevice(tensor, ConstTensorView(values.data(), DType::kI32, {1, length}),
                            *stream_);
      return tensor;
    };
    const Tensor tokens_BS = upload(tokens);
    const Tensor positions_BS = upload(positions);
    const Tensor logits_BV(DType::kF64, {1, kShape.vocab_size}, MemoryCategory::kWorkspace,
                           *stream_);
    ForwardContext context = {.stream = *stream_,
                              .mode = Mode::kInference,
                              .inputs = {.tokens_BS = tokens_BS, .positions_BS = positions_BS},
                              .cache = &cache,
                              .logits_BV = logits_BV};
    model_.stage().Forward(context, saves_, Tensor());
    cache.Advance(length);
    std::vector<double> logits(static_cast<size_t>(kShape.vocab_size));
    device_->CopyToHost(TensorView(logits.data(), DType::kF64, {1, kShape.vocab_size}), logits_BV,
                        *stream_);
    stream_->Synchronize(device_->wait_limit());
    return logits;
  }

  Generator NewGenerator() {
    return Generator(model_.stage(),
                     {.vocab_size = kShape.vocab_size,
                      .max_positions = kShape.max_positions,
                      .num_layers = kShape.num_layers,
                      .num_kv_heads = kShape.num_kv_heads,
                      .head_dim = kShape.head_dim,
                      .dtype = DType::kF64},
                     *stream_);
  }
  std::vector<int32_t> Continue(const std::vector<int32_t>& prompt, int64_t max_tokens,
                                const SamplerOptions& sampling = {},
                                std::optional<int32_t> end = std::nullopt) {
    std::vector<int32_t> tokens;
    NewGenerator().Run(
        {.prompt = prompt, .max_tokens = max_tokens, .sampling = sampling, .end = end},
        [&](int32_t token) { tokens.push_back(token); });
    return tokens;
  }
  Kind KindOfRefusal(const std::vector<int32_t>& prompt) {
    try {
      Continue(prompt, 1);
    } catch (const Error& e) {
      return e.kind();
    }
    ADD_FAILURE() << "nothing was thrown";
    return Kind::kInternal;
  }

  DecoderShape shape_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  Precision precision_;
  DecoderModel model_;
  ParameterStore store_;
  Stage::Saves saves_;
};

const std::vector<int32_t> kPrompt = {3, 14, 15, 9, 26, 5, 35, 8, 52, 0, 1};

class KvCacheTest : public GeneratorTest, public testing::WithParamInterface<DecoderShape> {
 protected:
  KvCacheTest() : GeneratorTest(GetParam()) {}
};

TEST_P(KvCacheTest, TokenByTokenEqualsAllAtOnce) {
  KvCache whole = NewCache();
  const std::vector<double> expected = Feed(kPrompt, whole);
  for (const size_t step : {size_t{1}, size_t{2}, size_t{7}}) {
    KvCache cache = NewCache();
    std::vector<double> logits;
    for (size_t begin = 0; begin < kPrompt.size(); begin += step) {
      const size_t end = std::min(begin + step, kPrompt.size());
      logits = Feed(std::vector<int32_t>(kPrompt.begin() + static_cast<int64_t>(begin),
                                         kPrompt.begin() + static_cast<int64_t>(end)),
                    cache);
    }
    for (size_t i = 0; i < logits.size(); ++i)
      EXPECT_NEAR(logits[i], expected[i], 1e-10 * std::max(1.0, std::abs(expected[i]))) << step;
  }
}

INSTANTIATE_TEST_SUITE_P(, KvCacheTest, testing::Values(kShape, Gpt2Shape(), QwenShape()),
                         [](const auto& shape) {
                           return shape.param.qk_norm        ? "qwen"
                                  : shape.param.other_biases ? "gpt2"
                                                             : "llama";
                         });

TEST_F(GeneratorTest, GreedyContinuationDoesNotDependOnWhereThePromptEnds) {
  const std::vector<int32_t> prompt = {3, 14, 15};
  const std::vector<int32_t> continuation = Continue(prompt, 9);
  ASSERT_EQ(continuation.size(), 9u);
  EXPECT_EQ(Continue(prompt, 9), continuation);
  std::vector<int32_t> longer = prompt;
  longer.insert(longer.end(), continuation.begin(), continuation.begin() + 4);
  EXPECT_EQ(Continue(longer, 5),
            std::vector<int32_t>(continuation.begin() + 4, continuation.end()));
}

TEST_F(GeneratorTest, StopsAtTheModelsLastPosition) {
  EXPECT_EQ(Continue(kPrompt, 100).size(), 16 - kPrompt.size());
  EXPECT_TRUE(Continue(std::vector<int32_t>(16, 1), 100).empty());
}

TEST_F(GeneratorTest, StopsBeforeTheEndToken) {
  const std::vector<int32_t> all = Continue(kPrompt, 5);
  ASSERT_EQ(all.size(), 5u);
  const auto first_end = std::find(all.begin(), all.end(), all[3]);
  EXPECT_EQ(Continue(kPrompt, 5, {}, all[3]), std::vector<int32_t>(all.begin(), first_end));
}

TEST_F(GeneratorTest, SampledContinuationRepeatsWithItsSeed) {
  const auto sample = [&](uint64_t seed) {
    return Continue({3}, 15, {.temperature = 1.5, .seed = seed});
  };
  EXPECT_EQ(sample(1), sample(1));
  EXPECT_NE(sample(1), sample(2));
}

TEST_F(GeneratorTest, PromptsThatDoNotFitAreRefused) {
  EXPECT_EQ(KindOfRefusal({}), Kind::kConfig);
  EXPECT_EQ(KindOfRefusal(std::vector<int32_t>(17, 1)), Kind::kConfig);
  EXPECT_EQ(KindOfRefusal({53}), Kind::kData);
  EXPECT_EQ(KindOfRefusal({-1}), Kind::kData);
}

}  // namespace
}  // namespace cadmus
