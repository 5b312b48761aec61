// SPDX-License-Identifier: Apache-2.0
#include "launch/config/validate_run.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "kernels/base/error.h"
#include "launch/config/layout_rules.h"
#include "launch/config/layouts.h"
#include "launch/config/run_config.pb.h"
#include "models/families.h"
#include "runtime/mesh/make_mesh.h"
#include "runtime/parallel/pipeline/stage_layout.h"
#include "runtime/schedule/configured_schedule.h"

namespace cadmus {
namespace {

void Require(bool holds, const std::string& text) {
  if (!holds) throw Error(Kind::kConfig, text);
}

void ValidateNames(const RunConfig& config) {
  Require(!config.name().empty(), "name is missing; a run is kept in output_dir/name");
  Require(config.name() != "." && config.name() != ".." &&
              std::all_of(config.name().begin(), config.name().end(),
                          [](unsigned char c) {
                            return std::isalnum(c) || c == '-' || c == '_' || c == '.';
                          }),
          StrCat("name is \"", config.name(), "\"; use letters, digits, '-', '_' and '.'"));
  Require(!config.data().path().empty() || config.data().source_size() > 0,
          "data.path is missing; build a data set with `cadmus data build`");
}

void ValidateSizes(const RunConfig& config) {
  const DecoderShape shape = MakeShape(config.model());
  Require(config.data().sequence_length() > 0,
          "data.sequence_length is missing or not positive; set it");
  Require(config.data().sequence_length() <= shape.max_positions,
          StrCat("data.sequence_length = ", config.data().sequence_length(),
                 " is longer than the model: model.", shape.family,
                 ".max_position_embeddings = ", shape.max_positions));
  Require(config.train().steps() > 0, "train.steps is missing or not positive; set it");
  Require(config.train().micro_batch_size() > 0, "train.micro_batch_size must be positive");
  Require(
      config.train().global_batch_size() > 0,
      "train.global_batch_size is missing or not positive; set it, or train.global_batch_tokens");
  Require(config.train().bucket_mib() > 0, "train.bucket_mib must be positive");
  Require(config.device().memory_gib() > 0 && config.device().memory_gib() <= 1 << 20,
          "device.memory_gib must be positive");
  Require(config.device().threads() >= 0 && config.device().threads() <= 1024,
          "device.threads must be in [0, 1024]");
  Require(config.device().peak_tflops() >= 0, "device.peak_tflops must not be negative");
  Require(config.communication().time_limit_seconds() > 0,
          "communication.time_limit_seconds must be positive");
  Require(config.communication().transport() != CommunicationConfig::NCCL ||
              config.device().kind() == DeviceConfig::CUDA,
          "communication.transport = NCCL is among GPUs, and device.kind is CPU; set "
          "communication.transport = AUTO, or device.kind = CUDA");
  Require(config.checkpoint().interval_steps() >= 0,
          "checkpoint.interval_steps must not be negative");
  Require(config.checkpoint().keep_last() >= 1, "checkpoint.keep_last must be at least 1");
}

// How the learning rate comes down.
void ValidateSchedule(const OptimizerConfig& optimizer, int64_t steps) {
  const bool wsd = optimizer.schedule() == OptimizerConfig::WSD;
  const std::string name = OptimizerConfig::Schedule_Name(optimizer.schedule());
  const int64_t most = steps - optimizer.warmup_steps();
  Require(!wsd || optimizer.decay_steps() != 0,
          "optimizer.schedule = WSD without optimizer.decay_steps; set it: a tenth to a fifth of "
          "train.steps is usual");
  Require(!wsd || (optimizer.decay_steps() > 0 && optimizer.decay_steps() <= most),
          StrCat("optimizer.decay_steps = ", optimizer.decay_steps(),
                 " must be between 1 and train.steps - optimizer.warmup_steps = ", most));
  Require(
      wsd || (optimizer.decay_steps() == 0 && optimizer.decay() == OptimizerConfig::ONE_MINUS_SQRT),
      StrCat("optimizer.decay_steps and decay are read with optimizer.schedule = WSD only, not "
             "with ",
             name, "; unset them"));
  Require(optimizer.schedule() != OptimizerConfig::CONSTANT || optimizer.min_lr() == 0,
          "optimizer.min_lr is not reached with optimizer.schedule = CONSTANT; unset it");
}

void ValidateEvaluation(const RunConfig& config) {
  const TrainConfig& train = config.train();
  Require(train.eval_interval_steps() >= 0 && train.eval_batches() >= 0,
          "train.eval_interval_steps and eval_batches must not be negative");
  Require(train.eval_interval_steps() == 0 || config.data().validation_fraction() > 0 ||
              !config.data().validation_path().empty(),
          StrCat("train.eval_interval_steps = ", train.eval_interval_steps(),
                 " but nothing is held out; set data.validation_fraction or data.validation_path"));
}

void ValidateOptimizer(const OptimizerConfig& optimizer, int64_t steps) {
  Require(optimizer.lr() >= 0 && std::isfinite(optimizer.lr()),
          "optimizer.lr must be finite and not negative");
  Require(optimizer.min_lr() >= 0 && optimizer.min_lr() <= optimizer.lr(),
          "optimizer.min_lr must be between 0 and optimizer.lr");
  Require(optimizer.warmup_steps() >= 0 && optimizer.warmup_steps() <= steps,
          StrCat("optimizer.warmup_steps = ", optimizer.warmup_steps(),
                 " must be between 0 and train.steps = ", steps));
  Require(optimizer.beta1() >= 0 && optimizer.beta1() < 1 && optimizer.beta2() >= 0 &&
              optimizer.beta2() < 1,
          "optimizer.beta1 and beta2 must be in [0, 1)");
  Require(optimizer.epsilon() > 0, "optimizer.epsilon must be positive");
  Require(optimizer.weight_decay() >= 0 && optimizer.clip_norm() >= 0,
          "optimizer.weight_decay and clip_norm must not be negative");
  ValidateSchedule(optimizer, steps);
}

void ValidateLayout(const RunConfig& config, int world_size) {
  const std::vector<LayoutProblem> problems = LayoutProblems(config, world_size);
  if (problems.empty()) return;
  const std::optional<RunConfig> nearest = 1 <= world_size && world_size <= kMaxWorldSize
                                               ? NearestValidLayout(config, world_size)
                                               : std::nullopt;
  const std::string remedy =
      nearest.has_value() ? StrCat("nearest valid layout: ", DescribeLayout(*nearest, config))
                          : StrCat("no split of ", world_size, " ranks fits this model and batch");
  throw Error(Kind::kConfig, StrCat(problems.front().rule, "; ", remedy));
}

// A file's schedule is looked at where it is named: built-in ones fit every layout that is valid.
void ValidateScheduleFile(const RunConfig& config, int world_size) {
  const ParallelConfig& parallel = config.parallel();
  if (parallel.schedule() != ParallelConfig::FROM_FILE) return;
  const AxisSizes sizes = FillWorld(MakeAxisSizes(parallel), world_size);
  const int64_t num_micro_batches =
      config.train().global_batch_size() /
      (config.train().micro_batch_size() * sizes.dp_replicate * sizes.dp_shard);
  const Schedule schedule = MakeSchedule(parallel, sizes.pp, static_cast<int>(num_micro_batches));
  const std::string problem = StageLayoutProblem(
      MakeShape(config.model()).num_layers, schedule.size.num_stages(),
      {parallel.blocks_per_stage().data(), static_cast<size_t>(parallel.blocks_per_stage_size())});
  Require(problem.empty(), StrCat("parallel.schedule_file = \"", parallel.schedule_file(),
                                  "\" has ", schedule.size.num_stages(), " stages: ", problem));
}

}  // namespace

void ValidateRun(const RunConfig& config, int world_size) {
  ValidateNames(config);
  ValidateSizes(config);
  ValidateOptimizer(config.optimizer(), config.train().steps());
  ValidateEvaluation(config);
  ValidateLayout(config, world_size);
  ValidateScheduleFile(config, world_size);
}

}  // namespace cadmus
