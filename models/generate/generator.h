// SPDX-License-Identifier: Apache-2.0
// Generator: continues a prompt token by token with a KV cache. Greedy generation is reproducible
// bit for bit.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "models/generate/sampler.h"
#include "runtime/nn/kv_cache.h"
#include "runtime/nn/stage.h"

namespace cadmus {

struct GeneratorSpec {
  int64_t vocab_size = 0;
  int64_t max_positions = 0;  // prompt and continuation together
  int64_t num_layers = 0, num_kv_heads = 0, head_dim = 0;
  DType dtype = DType::kNone;
};

class Generator {
 public:
  // The stage is the whole model with its weights in memory; it must outlive the generator.
  Generator(Stage& stage, const GeneratorSpec& spec, Stream& stream);

  struct Request {
    std::span<const int32_t> prompt;  // at least one token
    int64_t max_tokens = 0;           // fewer if max_positions is reached
    SamplerOptions sampling;
    std::optional<int32_t> end;  // stops after this token, which is not handed on
  };
  // Hands each new token to `emit` as it is made. Throws kConfig for an empty prompt, or one longer
  // than the model; kData for a token outside the vocabulary.
  void Run(const Request& request, const std::function<void(int32_t)>& emit);

 private:
  // Feeds tokens behind what the cache holds; returns the logits of the last.
  std::span<const double> Feed(std::span<const int32_t> tokens, KvCache& cache);

  Stage& stage_;
  GeneratorSpec spec_;
  Stream& stream_;
  Stage::Saves saves_;
  std::vector<std::byte> host_logits_;
  std::vector<double> logits_;
};

}  // namespace cadmus
