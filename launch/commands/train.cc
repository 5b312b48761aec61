// SPDX-License-Identifier: Apache-2.0
#include "launch/commands/train.h"

#include <atomic>
#include <optional>
#include <utility>

#include "kernels/base/log.h"
#include "kernels/base/philox.h"
#include "kernels/ops/gemm_choice.h"
#include "launch/commands/launched_ranks.h"
#include "launch/commands/signals.h"
#include "launch/config/config_to_text.h"
#include "launch/config/global_batch.h"
#include "launch/config/load_config.h"
#include "launch/config/run_config.pb.h"
#include "launch/config/validate_run.h"
#include "launch/run/context_memory.h"
#include "launch/run/open_data.h"
#include "launch/run/resume.h"
#include "launch/run/run_folder.h"
#include "launch/run/start_from.h"
#include "launch/run/training_job.h"
#include "models/families.h"
#include "runtime/checkpoint/load_checkpoint.h"
#include "runtime/checkpoint/manifest.h"
#include "runtime/data/loader.h"
#include "runtime/train/checkpoint_observer.h"
#include "runtime/train/evaluation_observer.h"
#include "runtime/train/metrics_observer.h"
#include "runtime/train/trainer.h"

namespace cadmus {
namespace {

// One number of rank 0, on every rank.
int64_t FromRankZero(int64_t value, Communicator& world, Stream& stream) {
  const Tensor shared(DType::kI64, {1}, MemoryCategory::kCommunication, stream);
  Device& device = stream.device();
  device.CopyToDevice(shared, ConstTensorView(&value, DType::kI64, {1}), stream);
  world.Broadcast({.buffer = shared, .site = "agreement with rank 0"}, stream);
  device.CopyToHost(TensorView(&value, DType::kI64, {1}), shared, stream);
  stream.Synchronize(device.wait_limit());
  return value;
}

void RequireSameOnAllRanks(const std::string& config_text, Communicator& world, Stream& stream) {
  const auto hash = static_cast<int64_t>(SiteOf(config_text));
  if (FromRankZero(hash, world, stream) != hash) {
    throw Error(
        Kind::kConfig,
        "this rank's config differs from rank 0's; start all ranks with the same file and flags");
  }
}

// The steps that the run has completed: 0, or those of its last checkpoint, which is then loaded.
int64_t Restore(const RunConfig& config, const std::string& tokenizer_hash, const RunFolder& folder,
                TrainingJob& job, Communicator& world) {
  const auto latest = FindLatestCheckpoint(folder.checkpoints());
  const CheckpointInfo info = latest ? ReadManifest(*latest).info : CheckpointInfo();
  const int64_t found = info.completed_steps;
  const int64_t agreed = FromRankZero(found, world, job.compute());
  if (found != agreed) {
    throw Error(Kind::kCheckpoint, StrCat("rank 0 sees a checkpoint of step ", agreed, " in ",
                                          folder.checkpoints().string(), ", this rank one of step ",
                                          found, "; all ranks must share this folder"));
  }
  if (!latest) {
    if (config.checkpoint().start_from().empty()) return 0;
    const std::string start = LoadStart(config, tokenizer_hash, job);
    if (world.rank() == 0) KeepStartFiles(config);
    LogInfo(start);
    return 0;
  }
  RunConfig stored;
  LoadConfig(folder.config(), {}, stored);
  RequireSameRun(stored, config);
  if (info.tokenizer_hash != tokenizer_hash) {
    throw Error(Kind::kData,
                StrCat("the data was made by another tokenizer than ", latest->string(),
                       " was trained with; restore the data set, or give this run "
                       "another name"));
  }
  try {
    LoadCheckpoint(*latest, job.StateEntries(), job.compute());
  } catch (const Error& e) {
    if (e.kind() != Kind::kCheckpoint) throw;
    throw Error(Kind::kCheckpoint,
                StrCat(e.message(), ": move ", latest->string(),
                       " away, and the same command goes on from the checkpoint before"));
  }
  if (world.rank() == 0) LogInfo(StrCat("going on from ", latest->string()));
  return found;
}

// The run as this rank sees it, restored and about to go on.
struct StartedRun {
  const RunConfig& config;
  const std::string& config_text;
  const TrainingData& data;
  const RunFolder& folder;
  TrainingJob& job;
  Communicator& world;
  TransportKind transport = TransportKind::kInRankOrder;
  int64_t completed_steps = 0;
};

double FlopsPerStep(const RunConfig& config) {
  return TrainingFlops(MakeShape(config.model()), config.data().sequence_length()) *
         static_cast<double>(config.train().global_batch_size());
}

void LogHeader(const StartedRun& run) {
  const DecoderShape shape = MakeShape(run.config.model());
  const LoaderOptions& loader = run.job.loader_options();
  LogInfo(StrCat("run ", run.config.name(), ": ", shape.family, ", ", NumParameters(shape),
                 " parameters; ", run.job.layout(), "; per step ", loader.global_batch_size,
                 " samples of ", loader.sequence_length, " tokens, ",
                 FlopsPerStep(run.config) / 1e9,
                 " model GFLOP (6 per matrix weight and token, 14 · S²/2 · width of heads per "
                 "layer in attention)"));
  if (run.config.precision().storage() == PrecisionConfig::BF16 &&
      run.config.device().kind() == DeviceConfig::CPU)
    LogInfo(ReasonForBf16Library(run.job.compute().device().properties()));
}

// Holds a GPU's context and libraries against the plan, once the first step has loaded them.
class ContextMemoryObserver final : public StepObserver {
 public:
  explicit ContextMemoryObserver(const StartedRun& run)
      : device_(run.job.compute().device()),
        planned_(PlanContextMemory(run.config, run.world.size(), run.transport)) {}

  void AfterStep(const StepReport&) override {
    if (std::exchange(is_logged_, true)) return;
    if (const std::optional<GpuMemory> measured = device_.ReadGpuMemory())
      LogInfo(ContextMemoryText(planned_, *measured));
  }
  void AtEnd(int64_t, Outcome) override {}

 private:
  const Device& device_;
  const ContextMemory planned_;
  bool is_logged_ = false;
};

// What is told of each step: metrics on rank 0, a GPU's memory, checkpoints, and evaluations if any
// are asked for.
class Observers {
 public:
  explicit Observers(const StartedRun& run)
      : context_memory_(run),
        checkpoints_(CheckpointPlan(run), run.job.StateEntries(), run.world, run.job.compute()) {
    if (run.world.rank() == 0) OpenMetrics(run);
    if (run.job.evaluator() != nullptr) OpenEvaluation(run);
  }

  std::vector<StepObserver*> InOrder() {
    std::vector<StepObserver*> observers;
    if (metrics_) observers.push_back(&*metrics_);
    observers.push_back(&context_memory_);
    observers.push_back(&checkpoints_);
    if (evaluation_) observers.push_back(&*evaluation_);
    return observers;
  }

 private:
  static CheckpointObserver::Plan CheckpointPlan(const StartedRun& run) {
    return {.folder = run.folder.checkpoints(),
            .interval_steps = run.config.checkpoint().interval_steps(),
            .retention = MakeRetentionPolicy(run.config.checkpoint()),
            .info = {.run_name = run.config.name(),
                     .seed = run.config.train().seed(),
                     .tokenizer_hash = run.data.tokenizer_hash,
                     .config_text = run.config_text,
                     .layout = run.job.layout()},
            .samples_per_step = run.config.train().global_batch_size(),
            .last_saved = run.completed_steps};
  }

  void OpenMetrics(const StartedRun& run) {
    MetricsObserver::Rate rate = {.flops_per_step = FlopsPerStep(run.config)};
    if (run.config.device().peak_tflops() > 0)
      rate.peak_flops = run.config.device().peak_tflops() * 1e12 * run.world.size();
    metrics_file_.emplace(run.folder.metrics(), run.completed_steps);
    metrics_.emplace(*metrics_file_, run.job.compute().device(), rate);
  }

  void OpenEvaluation(const StartedRun& run) {
    const TrainConfig& train = run.config.train();
    validation_.emplace(
        run.data.validation,
        MakeValidationOptions(run.config, train.eval_batches() * train.global_batch_size()));
    evaluation_.emplace(EvaluationObserver::Plan{.interval_steps = train.eval_interval_steps(),
                                                 .total_steps = train.steps(),
                                                 .bytes_of_token = run.data.bytes_of_token},
                        *run.job.evaluator(), *validation_,
                        metrics_file_ ? &*metrics_file_ : nullptr);
    // What a stop has left out.
    const bool missing = evaluation_->IsDue(run.completed_steps) && metrics_file_ &&
                         !metrics_file_->has_evaluation();
    if (FromRankZero(missing ? 1 : 0, run.world, run.job.compute()) != 0)
      evaluation_->Evaluate(run.completed_steps);
  }

  std::optional<MetricsFile> metrics_file_;  // of rank 0
  std::optional<MetricsObserver> metrics_;
  ContextMemoryObserver context_memory_;
  CheckpointObserver checkpoints_;
  std::optional<ValidationWindows> validation_;
  std::optional<EvaluationObserver> evaluation_;
};

// Steps until the run is done or a stop is asked for; the exit code.
int RunSteps(const StartedRun& run, const std::atomic<bool>& stop_requested) {
  const RunConfig& config = run.config;
  Observers observers(run);
  Loader loader(run.data.training, run.job.loader_options());
  Trainer trainer(
      run.job.step(), loader, observers.InOrder(), stop_requested,
      {.completed_steps = run.completed_steps,
       .total_steps = config.train().steps(),
       .tokens_per_step = config.train().global_batch_size() * config.data().sequence_length()});
  const Outcome outcome = trainer.Run();
  if (run.world.rank() == 0) {
    const std::string folder = run.folder.root().string();
    LogInfo(outcome == Outcome::kDone
                ? StrCat("done; everything is in ", folder)
                : StrCat("stopped and saved; the same command goes on from here (", folder, ")"));
  }
  return outcome == Outcome::kDone ? 0 : static_cast<int>(Kind::kPreempted);
}

int TrainRank(RunConfig config, bool check_only, Bootstrap& bootstrap, LaunchedRanks& ranks,
              const std::atomic<bool>& stop_requested) {
  const bool is_first = bootstrap.rank() == 0;
  AdoptModel(config);
  const TrainingData data = OpenTrainingData(config);
  ResolveGlobalBatch(bootstrap.size(), config);
  ValidateRun(config, bootstrap.size());
  if (check_only) {
    if (is_first) {
      LogInfo(StrCat("ok: ", NumParameters(MakeShape(config.model())), " parameters, ",
                     NumTokens(data.training), " tokens, ", bootstrap.size(),
                     bootstrap.size() == 1 ? " rank" : " ranks"));
    }
    return 0;
  }

  const OpenedRank rank = ranks.Open(config, bootstrap);
  const std::unique_ptr<Communicator>& world = rank.world;
  TrainingJob job(config, *rank.device, *world);

  const std::string config_text = ConfigToText(config);
  RequireSameOnAllRanks(config_text, *world, job.compute());
  const RunFolder folder(std::filesystem::path(config.output_dir()) / config.name());
  folder.Create();
  OpenLogFile(folder.log(bootstrap.rank()).string());
  if (!rank.words.empty()) LogInfo(rank.words);
  const int64_t completed = Restore(config, data.tokenizer_hash, folder, job, *world);
  world->Barrier("the stored config is read", job.compute());  // before rank 0 replaces it

  const StartedRun run = {.config = config,
                          .config_text = config_text,
                          .data = data,
                          .folder = folder,
                          .job = job,
                          .world = *world,
                          .transport = rank.transport,
                          .completed_steps = completed};
  if (is_first) {
    ReplaceFile(folder.config(), config_text, Kind::kConfig);
    data.KeepTokenizer(folder.tokenizer());
    LogHeader(run);
  }
  return RunSteps(run, stop_requested);
}

}  // namespace

int RunTrain(const TrainFlags& flags) {
  SignalListener signals;  // before any thread
  LaunchedRanks ranks(flags.ranks_as_threads);
  signals.Start([&] { ranks.LogCalls(); });
  RunConfig config;
  LoadConfig(flags.config_file, flags.overrides, config);
  return ranks.Run([&](Bootstrap& bootstrap) {
    return TrainRank(config, flags.check_only, bootstrap, ranks, signals.stop_requested());
  });
}

}  // namespace cadmus
