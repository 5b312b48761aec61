// SPDX-License-Identifier: Apache-2.0
#include "launch/commands/generate.h"

#include <array>
#include <chrono>
#include <iostream>
#include <memory>

#include "kernels/base/log.h"
#include "kernels/open_device.h"
#include "launch/config/apply_override.h"
#include "launch/config/make_device_options.h"
#include "launch/config/make_precision.h"
#include "launch/config/parse_text.h"
#include "launch/config/run_config.pb.h"
#include "launch/run/find_checkpoint.h"
#include "models/decoder/model.h"
#include "models/families.h"
#include "models/generate/generator.h"
#include "runtime/checkpoint/load_checkpoint.h"
#include "runtime/checkpoint/manifest.h"
#include "runtime/nn/parameter_store.h"
#include "runtime/text/tokenizer.h"

namespace cadmus {
namespace {

// Writes the prompt and what follows to stdout as it comes; the number of new tokens.
int64_t Continue(const GenerateFlags& flags, const Tokenizer& tokenizer, Generator& generator) {
  // What the tokenizer's file puts around a text, such as a first token that begins it, is what the
  // model was trained to see there.
  const std::vector<int32_t> prompt = tokenizer.Encode(flags.prompt, {.add_special_tokens = true});
  std::cout << flags.prompt << std::flush;
  int64_t num_tokens = 0;
  generator.Run({.prompt = prompt,
                 .max_tokens = flags.max_tokens,
                 .sampling = flags.sampling,
                 .end = tokenizer.end_of_text()},
                [&](int32_t token) {
                  if (token < tokenizer.vocab_size())
                    std::cout << tokenizer.Decode({&token, 1}) << std::flush;
                  ++num_tokens;
                });
  std::cout << '\n';
  return num_tokens;
}

void ApplyDevice(const std::vector<std::string>& overrides, RunConfig& config) {
  constexpr std::array<std::string_view, 1> kAllowed = {"device."};
  ApplyOverrides(overrides,
                 {.allowed = kAllowed,
                  .rule = "a model generates as it was trained; only device.… can be given"},
                 config);
}

std::unique_ptr<Device> OpenDeviceOf(const RunConfig& config) {
  DeviceOptions options = MakeDeviceOptions(config.device());
  if (options.kind == DeviceKind::kCpu) options.pool = MakeThreadPool(config.device().threads());
  return OpenDevice(options);
}

}  // namespace

int RunGenerate(const GenerateFlags& flags) {
  if (flags.max_tokens <= 0) {
    throw Error(Kind::kConfig,
                StrCat("--max-tokens is ", flags.max_tokens, "; it must be positive"));
  }
  const FoundCheckpoint found = FindCheckpoint(flags.run);
  const CheckpointInfo info = ReadManifest(found.checkpoint).info;
  RunConfig config;
  ParseText((found.checkpoint / "config").string(), info.config_text, config);
  ApplyDevice(flags.overrides, config);
  const std::unique_ptr<const Tokenizer> tokenizer = LoadTokenizerOf(found, info.tokenizer_hash);
  if (tokenizer == nullptr) {
    throw Error(Kind::kData, StrCat(found.tokenizer.string(), " is missing; restore it"));
  }

  const std::unique_ptr<Device> device = OpenDeviceOf(config);
  const std::unique_ptr<Stream> stream = device->NewStream(StreamKind::kCompute, "compute");
  const Precision precision = MakePrecision(config.precision());
  const DecoderShape shape = MakeShape(config.model());
  DecoderModel model(shape, precision, *stream);
  ParameterStore store(model.stage().Parameters(), precision, *stream);
  LoadCheckpoint(found.checkpoint, store.StateEntries(), *stream);

  Generator generator(model.stage(),
                      {.vocab_size = shape.vocab_size,
                       .max_positions = shape.max_positions,
                       .num_layers = shape.num_layers,
                       .num_kv_heads = shape.num_kv_heads,
                       .head_dim = shape.head_dim,
                       .dtype = precision.compute},
                      *stream);
  const auto start = std::chrono::steady_clock::now();
  const int64_t num_tokens = Continue(flags, *tokenizer, generator);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  LogInfo(StrCat(num_tokens, " tokens from ", found.checkpoint.string(), ", ",
                 static_cast<int64_t>(static_cast<double>(num_tokens) / seconds), " tok/s"));
  return 0;
}

}  // namespace cadmus
