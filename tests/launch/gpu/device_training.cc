// SPDX-License-Identifier: Apache-2.0
#include "tests/launch/gpu/device_training.h"

#include "collectives/local/local_world.h"
#include "launch/config/make_device_options.h"
#include "launch/config/parse_text.h"
#include "launch/config/run_config.pb.h"
#include "launch/run/training_job.h"
#include "runtime/checkpoint/list_checkpoints.h"
#include "runtime/checkpoint/load_checkpoint.h"
#include "runtime/checkpoint/save_checkpoint.h"
#include "tests/launch/gpu/recipe_texts.h"
#include "tests/launch/run/training_fixture.h"
#include "tests/support/test_device.h"

namespace cadmus {
namespace {

RunConfig OneRankOf(const char* recipe) {
  RunConfig config;
  ParseText("recipe", recipe, config);
  config.clear_parallel();
  config.mutable_data()->set_path("unused");
  return config;
}

void RunStretch(TrainingJob& job, const std::shared_ptr<const IndexedDataset>& data,
                const Stretch& stretch, Trained& trained) {
  const GlobalBatch batches(data, job.loader_options());
  StepBatch batch = batches.Allocate();
  for (int step = stretch.first; step < stretch.end; ++step) {
    batches.Fill(step, batch);
    const StepResult result = job.step().Run(batch, StopRequest::kNo);
    trained.losses.push_back(result.loss);
    trained.gradient_norms.push_back(result.gradient_norm);
  }
}

}  // namespace

RunConfig QuickstartRun() {
  RunConfig config = OneRankOf(kQuickstartRecipe);
  config.mutable_model()->mutable_llama()->set_vocab_size(2048);
  return config;
}

RunConfig Gpt2Run() {
  RunConfig config = OneRankOf(kGpt2Recipe);
  config.mutable_precision()->set_storage(PrecisionConfig::BF16);
  config.mutable_train()->set_global_batch_size(16);
  config.mutable_train()->set_micro_batch_size(8);
  config.mutable_optimizer()->set_warmup_steps(2);
  config.mutable_device()->set_memory_gib(16);
  if (kTestDevice != DeviceKind::kCpu) return config;
  config.mutable_model()->mutable_gpt2()->set_vocab_size(1024);
  config.mutable_model()->mutable_gpt2()->set_num_hidden_layers(2);
  config.mutable_data()->set_sequence_length(64);
  config.mutable_train()->set_global_batch_size(2);
  config.mutable_train()->set_micro_batch_size(1);
  config.mutable_device()->set_memory_gib(4);
  return config;
}

Trained Train(const RunConfig& config, DeviceKind device,
              const std::shared_ptr<const IndexedDataset>& data, const Stretch& stretch,
              const std::filesystem::path& checkpoints) {
  Trained trained;
  RunLocalRanks(1, [&](Bootstrap& bootstrap) {
    DeviceOptions options = MakeDeviceOptions(config.device());
    options.kind = device;
    const auto opened = OpenDevice(options);
    const auto world = bootstrap.Connect(*opened);
    TrainingJob job(config, *opened, *world);
    if (stretch.first > 0) {
      LoadCheckpoint(checkpoints / CheckpointName(stretch.first), job.StateEntries(),
                     job.compute());
    }
    RunStretch(job, data, stretch, trained);
    trained.memory = opened->allocator().stats();
    trained.gpu_memory = opened->ReadGpuMemory();
    if (checkpoints.empty()) return;
    SaveCheckpoint({.folder = checkpoints,
                    .info = {.run_name = config.name(), .completed_steps = stretch.end},
                    .entries = job.StateEntries(),
                    .world = *world,
                    .stream = job.compute()});
  });
  return trained;
}

}  // namespace cadmus
