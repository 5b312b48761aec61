// SPDX-License-Identifier: Apache-2.0
#include "tests/launch/run/training_fixture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <mutex>

#include "collectives/local/local_world.h"
#include "kernels/base/philox.h"
#include "launch/config/run_config.pb.h"
#include "runtime/data/global_batch.h"
#include "runtime/data/indexed_dataset_writer.h"

namespace cadmus {

RunConfig TinyRun() {
  RunConfig config;
  config.set_name("tiny");
  LlamaConfig& llama = *config.mutable_model()->mutable_llama();
  llama.set_vocab_size(131);
  llama.set_hidden_size(32);
  llama.set_intermediate_size(48);
  llama.set_num_hidden_layers(2);
  llama.set_num_attention_heads(4);
  llama.set_num_key_value_heads(2);
  llama.set_max_position_embeddings(64);
  llama.set_dropout(0.1);
  config.mutable_data()->set_path("unused");
  config.mutable_data()->set_sequence_length(24);
  config.mutable_train()->set_steps(10);
  config.mutable_train()->set_global_batch_size(12);
  config.mutable_train()->set_micro_batch_size(1);
  config.mutable_optimizer()->set_lr(1e-2);
  config.mutable_optimizer()->set_warmup_steps(2);
  config.mutable_optimizer()->set_clip_norm(0.5);
  config.mutable_precision()->set_storage(PrecisionConfig::F64);
  return config;
}

std::shared_ptr<const IndexedDataset> UnevenDocuments(const std::filesystem::path& folder,
                                                      int64_t vocab_size) {
  const std::string prefix = (folder / "documents").string();
  IndexedDatasetWriter writer(prefix, vocab_size);
  const PhiloxKey key = DeriveKey(1, 0, SiteOf("documents"));
  uint32_t draw = 0;
  for (int document = 0; document < 400; ++document) {
    std::vector<int32_t> tokens(1 + Philox(key, {draw++, 0, 0, 0})[0] % 40);
    for (int32_t& token : tokens) {
      token = static_cast<int32_t>(Philox(key, {draw++, 0, 0, 0})[0] %
                                   static_cast<uint64_t>(vocab_size));
    }
    writer.AddDocument(tokens);
  }
  writer.Commit();
  return std::make_shared<IndexedDataset>(prefix);
}

std::unique_ptr<Device> OpenTestDevice(const std::shared_ptr<cpu::ThreadPool>& pool,
                                       CpuStreams streams, DeviceKind kind, int64_t memory_bytes) {
  DeviceOptions options;
  options.kind = kind;
  options.memory_bytes = memory_bytes;
  options.pool = pool;
  options.cpu_streams = streams;
  return OpenDevice(options);
}

std::vector<double> ReadTensor(const ConstTensorView& tensor, Stream& stream) {
  std::vector<std::byte> bytes(static_cast<size_t>(tensor.num_bytes()));
  const TensorView host(bytes.data(), tensor.dtype(), tensor.shape());
  stream.device().CopyToHost(host, tensor, stream);
  stream.Synchronize(stream.device().wait_limit());
  std::vector<double> values(static_cast<size_t>(tensor.num_elements()));
  switch (tensor.dtype()) {
    case DType::kF64:
      std::copy_n(host.data<double>(), values.size(), values.begin());
      break;
    case DType::kF32:
      std::copy_n(host.data<float>(), values.size(), values.begin());
      break;
    case DType::kBF16:
      std::copy_n(host.data<BFloat16>(), values.size(), values.begin());
      break;
    default:
      CADMUS_UNREACHABLE(StrCat("a tensor of ", Name(tensor.dtype())));
  }
  return values;
}

std::vector<StepState> TrainSteps(const RunConfig& config,
                                  const std::shared_ptr<const IndexedDataset>& data, Device& device,
                                  Communicator& world, int num_steps) {
  TrainingJob job(config, device, world);
  const GlobalBatch batches(data, job.loader_options());
  StepBatch batch = batches.Allocate();
  std::vector<StepState> states;
  for (int step = 0; step < num_steps; ++step) {
    batches.Fill(step, batch);
    StepState state = {.result = job.step().Run(batch, StopRequest::kNo)};
    for (const ParameterShard& shard : job.data_parallel().shards()) {
      state.gradients[shard.parameter->name] = ReadTensor(shard.grad_N, job.compute());
      state.weights[shard.parameter->name] = ReadTensor(shard.weight_N, job.compute());
    }
    states.push_back(std::move(state));
  }
  return states;
}

std::vector<StepState> TrainStepsLocally(const RunConfig& config,
                                         const std::shared_ptr<const IndexedDataset>& data,
                                         int num_ranks, int num_steps, CpuStreams streams,
                                         int num_threads) {
  const auto pool = MakeThreadPool(num_threads);
  std::vector<std::vector<StepState>> states(static_cast<size_t>(num_ranks));
  RunLocalRanks(num_ranks, [&](Bootstrap& bootstrap) {
    const auto device = OpenTestDevice(pool, streams);
    const auto world = bootstrap.Connect(*device);
    states[static_cast<size_t>(bootstrap.rank())] =
        TrainSteps(config, data, *device, *world, num_steps);
  });
  for (int rank = 1; rank < num_ranks; ++rank) {
    ExpectSameBits(states[0], states[static_cast<size_t>(rank)], StrCat("rank 0 and rank ", rank));
  }
  return states[0];
}

double Norm(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += value * value;
  return std::sqrt(sum);
}

double Distance(const std::vector<double>& a, const std::vector<double>& b) {
  CADMUS_CHECK(a.size() == b.size(), StrCat(a.size(), " and ", b.size(), " elements"));
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

double GlobalNorm(const std::map<std::string, std::vector<double>>& tensors) {
  double sum = 0;
  for (const auto& [name, values] : tensors) sum += Norm(values) * Norm(values);
  return std::sqrt(sum);
}

void ExpectTensorsNear(const std::map<std::string, std::vector<double>>& a,
                       const std::map<std::string, std::vector<double>>& b, double bound,
                       const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  const double all = GlobalNorm(b);
  for (const auto& [name, reference] : b) {
    ASSERT_TRUE(a.contains(name)) << what << ": no tensor " << name;
    EXPECT_LE(Distance(a.at(name), reference), bound * std::max(Norm(reference), 1e-6 * all))
        << what << ": " << name;
  }
}

void ExpectSameBits(const std::vector<StepState>& a, const std::vector<StepState>& b,
                    const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  const auto same = [](const std::vector<double>& x, const std::vector<double>& y) {
    return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(double)) == 0;
  };
  for (size_t step = 0; step < a.size(); ++step) {
    EXPECT_EQ(a[step].result.loss, b[step].result.loss) << what << ", step " << step;
    EXPECT_EQ(a[step].result.gradient_norm, b[step].result.gradient_norm)
        << what << ", step " << step;
    EXPECT_EQ(a[step].result.learning_rate, b[step].result.learning_rate)
        << what << ", step " << step;
    for (const auto& [name, gradient] : a[step].gradients) {
      EXPECT_TRUE(same(gradient, b[step].gradients.at(name)))
          << what << ", step " << step << ": gradient of " << name;
      EXPECT_TRUE(same(a[step].weights.at(name), b[step].weights.at(name)))
          << what << ", step " << step << ": " << name;
    }
  }
}

}  // namespace cadmus
