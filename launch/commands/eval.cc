// SPDX-License-Identifier: Apache-2.0
#include "launch/commands/eval.h"

#include <array>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "kernels/base/log.h"
#include "kernels/base/quantity.h"
#include "launch/commands/launched_ranks.h"
#include "launch/commands/print_json.h"
#include "launch/config/apply_override.h"
#include "launch/config/parse_text.h"
#include "launch/config/run_config.pb.h"
#include "launch/run/find_checkpoint.h"
#include "launch/run/open_data.h"
#include "launch/run/training_job.h"
#include "models/families.h"
#include "runtime/checkpoint/load_checkpoint.h"
#include "runtime/checkpoint/manifest.h"
#include "runtime/mesh/make_mesh.h"
#include "runtime/text/tokenizer.h"

namespace cadmus {
namespace {

// What is evaluated, on every rank the same.
struct Subject {
  FoundCheckpoint found;
  CheckpointInfo info;
  RunConfig config;  // laid out for the ranks there are
  std::unique_ptr<const Tokenizer> tokenizer;
  int64_t max_windows = 0;
};

// Numbers may not change, but where and in which parts they are computed.
void ApplyLayout(const std::vector<std::string>& overrides, RunConfig& config) {
  constexpr std::array<std::string_view, 4> kAllowed = {"parallel.", "device.", "communication.",
                                                        "train.micro_batch_size="};
  ApplyOverrides(overrides,
                 {.allowed = kAllowed,
                  .rule = "an evaluation takes the model as it was trained; it can be given "
                          "parallel.…, device.…, communication.… and train.micro_batch_size"},
                 config);
}

// Data parallel over all ranks unless `overrides` say otherwise. Batches are as small as keeps the
// pipeline full.
void LayOut(const std::vector<std::string>& overrides, int world_size, RunConfig& config) {
  config.clear_parallel();
  config.mutable_communication()->clear_transport();
  TrainConfig& train = *config.mutable_train();
  train.clear_recompute();
  train.clear_recompute_blocks();
  train.clear_offload_activations();
  train.clear_eval_interval_steps();
  ApplyLayout(overrides, config);
  const AxisSizes asked = MakeAxisSizes(config.parallel());
  if (!AxisSizesProblem(asked, world_size).empty()) return;  // ValidateRun says what
  const AxisSizes sizes = FillWorld(asked, world_size);
  const int64_t micro_batches = sizes.pp == 1 ? 1 : 2 * sizes.pp;
  train.set_global_batch_size(micro_batches * train.micro_batch_size() * sizes.dp_replicate *
                              sizes.dp_shard);
}

Subject FindSubject(const EvalFlags& flags, int world_size) {
  Subject subject = {.found = FindCheckpoint(flags.run)};
  subject.info = ReadManifest(subject.found.checkpoint).info;
  RunConfig& config = subject.config;
  ParseText((subject.found.checkpoint / "config").string(), subject.info.config_text, config);
  subject.max_windows = flags.num_batches * config.train().global_batch_size();
  LayOut(flags.overrides, world_size, config);
  subject.tokenizer = LoadTokenizerOf(subject.found, subject.info.tokenizer_hash);
  return subject;
}

std::string WithError(const Estimate& estimate, int digits) {
  return StrCat(FixedText(estimate.value, digits), " ± ",
                estimate.standard_error ? FixedText(*estimate.standard_error, digits) : "n/a");
}

void PrintMetrics(const Subject& subject, const EvaluationMetrics& metrics) {
  std::cerr << subject.found.checkpoint.string() << '\n'
            << "  loss           " << WithError(metrics.loss, 4) << " nats per token\n"
            << "  perplexity     " << WithError(metrics.perplexity, 2) << '\n'
            << "  bits per byte  "
            << (metrics.bits_per_byte ? WithError(*metrics.bits_per_byte, 4)
                                      : "n/a: the run has no tokenizer")
            << '\n'
            << "  of " << metrics.tokens << " tokens in " << metrics.documents
            << " documents; ± one standard error over documents\n";
}

void PrintMetricsAsJson(const Subject& subject, const EvaluationMetrics& metrics) {
  nlohmann::ordered_json json = {{"checkpoint", subject.found.checkpoint.string()},
                                 {"run", subject.info.run_name},
                                 {"step", subject.info.completed_steps}};
  const auto add = [&json](const char* name, const Estimate& estimate) {
    json[name] = {{"value", estimate.value}, {"standard_error", nullptr}};
    if (estimate.standard_error) json[name]["standard_error"] = *estimate.standard_error;
  };
  add("loss", metrics.loss);
  add("perplexity", metrics.perplexity);
  json["bits_per_byte"] = nullptr;
  if (metrics.bits_per_byte) add("bits_per_byte", *metrics.bits_per_byte);
  json["tokens"] = metrics.tokens;
  json["documents"] = metrics.documents;
  json["bytes"] = nullptr;
  if (metrics.bits_per_byte) json["bytes"] = metrics.bytes;
  PrintJson(json);
}

int EvalRank(const EvalFlags& flags, LaunchedRanks& ranks, Bootstrap& bootstrap) {
  const Subject subject = FindSubject(flags, bootstrap.size());
  const RunConfig& config = subject.config;
  const ValidationWindows windows(OpenValidationData(config, flags.data, subject.tokenizer.get()),
                                  MakeValidationOptions(config, subject.max_windows));
  std::vector<int32_t> bytes_of_token;
  if (subject.tokenizer != nullptr) {
    bytes_of_token = subject.tokenizer->TextBytesOfAll();
    bytes_of_token.resize(static_cast<size_t>(MakeShape(config.model()).vocab_size));
  }

  const OpenedRank rank = ranks.Open(config, bootstrap);
  if (!rank.words.empty()) LogInfo(rank.words);
  Communicator& world = *rank.world;
  TrainingJob job(config, *rank.device, world, JobPurpose::kEvaluation);
  LoadCheckpoint(subject.found.checkpoint, job.StateEntries(), job.compute());
  world.Barrier("the weights are loaded", job.compute());
  const EvaluationMetrics metrics = job.evaluator()->Run(windows, bytes_of_token);
  if (bootstrap.rank() == 0) (flags.json ? PrintMetricsAsJson : PrintMetrics)(subject, metrics);
  return 0;
}

}  // namespace

int RunEval(const EvalFlags& flags) {
  LaunchedRanks ranks(flags.ranks_as_threads);
  return ranks.Run([&](Bootstrap& bootstrap) { return EvalRank(flags, ranks, bootstrap); });
}

}  // namespace cadmus
