// SPDX-License-Identifier: Apache-2.0
// train_step CONFIG STEPS [KEY=VALUE …]: trains STEPS steps on one batch of made-up tokens and
// prints one JSON object: losses, and the seconds and the processor's seconds of each step.
// train_step CONFIG weights FILE: writes the first weights as safetensors, for others to start
// from.
#include <charconv>
#include <chrono>
#include <ctime>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "collectives/local/local_world.h"
#include "kernels/base/error.h"
#include "kernels/open_device.h"
#include "launch/config/load_config.h"
#include "launch/config/make_device_options.h"
#include "launch/config/run_config.pb.h"
#include "launch/run/training_job.h"
#include "runtime/formats/safetensors_writer.h"

namespace cadmus {
namespace {

// The i-th made-up token; train_step_vs_torch.py has the same formula.
int32_t Token(int64_t i, int64_t vocab_size) {
  const uint64_t mixed = (static_cast<uint64_t>(i) + 1) * 0x9E3779B97F4A7C15u;
  return static_cast<int32_t>((mixed >> 33) % static_cast<uint64_t>(vocab_size));
}

StepBatch MadeUpBatch(const LoaderOptions& options) {
  StepBatch batch = AllocateBatch(options);
  int64_t row = 0;
  for (MicroBatch& micro_batch : batch.micro_batches) {
    for (size_t i = 0; i < micro_batch.tokens_BS.size(); ++i) {
      const auto position = static_cast<int64_t>(i) % options.sequence_length;
      const int64_t at = row * (options.sequence_length + 1) + position;
      micro_batch.tokens_BS[i] = Token(at, options.vocab_size);
      micro_batch.labels_BS[i] = Token(at + 1, options.vocab_size);
      micro_batch.positions_BS[i] = static_cast<int32_t>(position);
      if (position == options.sequence_length - 1) ++row;
    }
    batch.supervised_tokens += static_cast<int64_t>(micro_batch.labels_BS.size());
  }
  return batch;
}

void WriteWeights(TrainingJob& job, const char* path) {
  SafetensorsContent content;
  for (const ParameterShard& shard : job.data_parallel().shards()) {
    const Parameter& parameter = *shard.parameter;
    content.tensors.push_back({parameter.name, parameter.weight.dtype(), parameter.shape});
  }
  SafetensorsWriter writer(path, Kind::kData, std::move(content));
  Stream& stream = job.compute();
  std::vector<std::byte> bytes;
  for (const ParameterShard& shard : job.data_parallel().shards()) {
    const TensorView& weight = shard.parameter->weight;
    bytes.resize(static_cast<size_t>(weight.num_bytes()));
    stream.device().CopyToHost(TensorView(bytes.data(), weight.dtype(), weight.shape()), weight,
                               stream);
    stream.Synchronize(stream.device().wait_limit());
    writer.Append(bytes);
  }
  writer.Commit();
}

void TimeSteps(TrainingJob& job, int num_steps) {
  StepBatch batch = MadeUpBatch(job.loader_options());
  std::string losses, seconds, cpu_seconds;
  for (int step = 0; step < num_steps; ++step) {
    batch.step = step;
    const std::clock_t cpu_start = std::clock();
    const auto start = std::chrono::steady_clock::now();
    const StepResult result = job.step().Run(batch, StopRequest::kNo);
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    const double cpu_spent = static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
    const char* comma = step == 0 ? "" : ", ";
    losses += StrCat(comma, result.loss);
    seconds += StrCat(comma, spent.count());
    cpu_seconds += StrCat(comma, cpu_spent);
  }
  std::cout << "{\"losses\": [" << losses << "], \"seconds\": [" << seconds
            << "], \"cpu_seconds\": [" << cpu_seconds << "]}\n";
}

int ParseSteps(std::string_view text) {
  int steps = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), steps);
  if (error != std::errc() || end != text.data() + text.size() || steps < 1)
    throw Error(Kind::kConfig, StrCat("STEPS is '", text, "': give a positive number"));
  return steps;
}

void Run(int argc, char** argv) {
  RunConfig config;
  const bool writes_weights = argv[2] == std::string_view("weights");
  const std::vector<std::string> overrides(argv + (writes_weights ? 4 : 3), argv + argc);
  LoadConfig(argv[1], overrides, config);
  RunLocalRanks(1, [&](Bootstrap& bootstrap) {
    DeviceOptions options = MakeDeviceOptions(config.device());
    if (options.kind == DeviceKind::kCpu) options.pool = MakeThreadPool(config.device().threads());
    const auto device = OpenDevice(options);
    const auto world = bootstrap.Connect(*device);
    TrainingJob job(config, *device, *world);
    if (writes_weights) {
      WriteWeights(job, argv[3]);
    } else {
      TimeSteps(job, ParseSteps(argv[2]));
    }
  });
}

}  // namespace
}  // namespace cadmus

int main(int argc, char** argv) {
  if (argc < 3 || (argc < 4 && argv[2] == std::string_view("weights"))) {
    std::cerr << "usage: train_step CONFIG STEPS [KEY=VALUE …]\n"
                 "       train_step CONFIG weights FILE [KEY=VALUE …]\n";
    return 2;
  }
  try {
    cadmus::Run(argc, argv);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
