// SPDX-License-Identifier: Apache-2.0
#include "models/generate/generator.h"

#include <algorithm>
#include <numeric>

namespace cadmus {

Generator::Generator(Stage& stage, const GeneratorSpec& spec, Stream& stream)
    : stage_(stage),
      spec_(spec),
      stream_(stream),
      saves_(stage.NewSaves()),
      host_logits_(static_cast<size_t>(spec.vocab_size * SizeOf(spec.dtype))),
      logits_(static_cast<size_t>(spec.vocab_size)) {}

void Generator::Run(const Request& request, const std::function<void(int32_t)>& emit) {
  const auto prompt_length = static_cast<int64_t>(request.prompt.size());
  if (prompt_length == 0)
    throw Error(Kind::kConfig, "the prompt is empty; give at least one token of text");
  if (prompt_length > spec_.max_positions) {
    throw Error(Kind::kConfig, StrCat("the prompt has ", prompt_length, " tokens, the model takes ",
                                      spec_.max_positions, "; shorten it"));
  }
  for (int32_t token : request.prompt) {
    if (token < 0 || token >= spec_.vocab_size) {
      throw Error(Kind::kData,
                  StrCat("token ", token, " is outside of the model's vocabulary of ",
                         spec_.vocab_size, "; use the tokenizer that the model was trained with"));
    }
  }
  const int64_t count = std::min(request.max_tokens, spec_.max_positions - prompt_length);
  KvCache cache({.num_blocks = spec_.num_layers,
                 .batch = 1,
                 .capacity = prompt_length + std::max<int64_t>(count, 1),
                 .num_kv_heads = spec_.num_kv_heads,
                 .head_dim = spec_.head_dim,
                 .dtype = spec_.dtype},
                stream_);
  Sampler sampler(request.sampling);
  std::span<const int32_t> fresh = request.prompt;
  int32_t token = 0;
  for (int64_t i = 0; i < count; ++i) {
    token = sampler.Next(Feed(fresh, cache), i);
    if (request.end == token) return;
    emit(token);
    fresh = {&token, 1};
  }
}

std::span<const double> Generator::Feed(std::span<const int32_t> tokens, KvCache& cache) {
  Device& device = stream_.device();
  const auto length = static_cast<int64_t>(tokens.size());
  std::vector<int32_t> positions(tokens.size());
  std::iota(positions.begin(), positions.end(), static_cast<int32_t>(cache.length()));
  const Tensor tokens_BS(DType::kI32, {1, length}, MemoryCategory::kWorkspace, stream_);
  const Tensor positions_BS(DType::kI32, {1, length}, MemoryCategory::kWorkspace, stream_);
  const Tensor logits_BV(spec_.dtype, {1, spec_.vocab_size}, MemoryCategory::kWorkspace, stream_);
  device.CopyToDevice(tokens_BS, ConstTensorView(tokens.data(), DType::kI32, {1, length}), stream_);
  device.CopyToDevice(positions_BS, ConstTensorView(positions.data(), DType::kI32, {1, length}),
                      stream_);

  ForwardContext context = {.stream = stream_,
                            .mode = Mode::kInference,
                            .inputs = {.tokens_BS = tokens_BS, .positions_BS = positions_BS},
                            .cache = &cache,
                            .logits_BV = logits_BV};
  stage_.Forward(context, saves_, Tensor());
  cache.Advance(length);

  const TensorView host(host_logits_.data(), spec_.dtype, {1, spec_.vocab_size});
  device.CopyToHost(host, logits_BV, stream_);
  stream_.Synchronize(device.wait_limit());
  switch (spec_.dtype) {
    case DType::kF64:
      std::copy_n(host.data<double>(), logits_.size(), logits_.begin());
      break;
    case DType::kF32:
      std::copy_n(host.data<float>(), logits_.size(), logits_.begin());
      break;
    case DType::kBF16:
      std::copy_n(host.data<BFloat16>(), logits_.size(), logits_.begin());
      break;
    default:
      CADMUS_UNREACHABLE(StrCat("logits of ", Name(spec_.dtype)));
  }
  return logits_;
}

}  // namespace cadmus
