// SPDX-License-Identifier: Apache-2.0
// The training step against PyTorch: loss, gradients, logits and a 20-step curve of tests/golden
// (see its README).
#include <gtest/gtest.h>
#include <algorithm>
#include <cmath>
#include <cstring>

#include "collectives/local/local_world.h"
#include "launch/config/apply_override.h"
#include "launch/config/run_config.pb.h"
#include "runtime/formats/safetensors.h"
#include "tests/launch/run/training_fixture.h"

namespace cadmus {
namespace {

class Golden {
 public:
  explicit Golden(const std::string& name)
      : file_(std::filesystem::path(CADMUS_SOURCE_DIR) / "tests" / "golden" / name, Kind::kData) {}

  template <class T>
  std::vector<T> Values(const std::string& name) const {
    const auto bytes = file_.TensorBytes(name);
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  // The f32 and f64 tensors whose names start with `prefix`, without it.
  std::map<std::string, std::vector<double>> Tensors(const std::string& prefix) const {
    std::map<std::string, std::vector<double>> tensors;
    for (const SafetensorsTensor& tensor : file_.tensors()) {
      if (tensor.name.starts_with(prefix)) {
        std::vector<double>& values = tensors[tensor.name.substr(prefix.size())];
        if (tensor.dtype == DType::kF64) {
          values = Values<double>(tensor.name);
        } else {
          const std::vector<float> narrow = Values<float>(tensor.name);
          values.assign(narrow.begin(), narrow.end());
        }
      }
    }
    return tensors;
  }

  const Shape& ShapeOf(const std::string& name) const { return file_.Find(name)->shape; }

  // Fields of the model as an override does: "model.gpt2.hidden_size".
  bool NamesFields() const {
    return std::ranges::any_of(file_.metadata(),
                               [](const auto& entry) { return entry.first.starts_with("model."); });
  }

  // Model, optimizer and sizes as the file states them.
  RunConfig Config(DType dtype) const {
    RunConfig config;
    config.set_name("golden");
    config.mutable_data()->set_path("unused");
    const Shape& tokens = ShapeOf("tokens");
    config.mutable_model()->mutable_llama()->set_max_position_embeddings(tokens.back());
    if (NamesFields()) config.clear_model();
    for (const auto& [key, value] : file_.metadata()) {
      if (key.starts_with("model.")) ApplyOverride(StrCat(key, "=", value), config);
      const google::protobuf::Descriptor& llama = *LlamaConfig::descriptor();
      const google::protobuf::Descriptor& optimizer = *OptimizerConfig::descriptor();
      if (llama.FindFieldByName(key) != nullptr)
        ApplyOverride(StrCat("model.llama.", key, "=", value), config);
      if (optimizer.FindFieldByName(key) != nullptr)
        ApplyOverride(StrCat("optimizer.", key, "=", value), config);
      if (key == "steps") ApplyOverride(StrCat("train.steps=", value), config);
    }
    const int64_t rows = tokens[tokens.num_dims() - 2];
    config.mutable_data()->set_sequence_length(tokens.back());
    if (!config.train().has_steps()) config.mutable_train()->set_steps(1);
    config.mutable_train()->set_global_batch_size(rows);
    config.mutable_train()->set_micro_batch_size(rows);
    ApplyOverride(StrCat("precision.storage=", Name(dtype)), config);
    return config;
  }

  StepBatch Batch(int64_t step) const {
    const Shape& shape = ShapeOf("tokens");
    const int64_t rows = shape[shape.num_dims() - 2];
    const int64_t count = rows * shape.back();
    const auto part = [&](const std::string& name) {
      const auto all = Values<int32_t>(name);
      return std::vector<int32_t>(all.begin() + step * count, all.begin() + (step + 1) * count);
    };
    MicroBatch micro_batch = {.tokens_BS = part("tokens"),
                              .labels_BS = part("labels"),
                              .positions_BS = part("positions"),
                              .documents_BS = part("documents"),
                              .samples_B = std::vector<int64_t>(static_cast<size_t>(rows))};
    StepBatch batch = {.step = step};
    for (int32_t label : micro_batch.labels_BS) batch.supervised_tokens += label >= 0 ? 1 : 0;
    batch.micro_batches.push_back(std::move(micro_batch));
    return batch;
  }

 private:
  SafetensorsFile file_;
};

void WriteTensor(const std::vector<double>& values, const TensorView& tensor, Stream& stream) {
  const std::vector<float> narrow(values.begin(), values.end());
  const std::vector<BFloat16> bf16(narrow.begin(), narrow.end());
  const void* data = tensor.dtype() == DType::kF64   ? static_cast<const void*>(values.data())
                     : tensor.dtype() == DType::kF32 ? static_cast<const void*>(narrow.data())
                                                     : bf16.data();
  stream.device().CopyToDevice(tensor, ConstTensorView(data, tensor.dtype(), tensor.shape()),
                               stream);
  stream.Synchronize(stream.device().wait_limit());
}

// A run of `config` on one rank, with the golden weights.
void WithGoldenWeights(const Golden& golden, const RunConfig& config,
                       const std::function<void(TrainingJob&)>& body) {
  RunLocalRanks(1, [&](Bootstrap& bootstrap) {
    const auto device = OpenTestDevice(MakeThreadPool(2));
    const auto world = bootstrap.Connect(*device);
    TrainingJob job(config, *device, *world);
    const auto weights = golden.Tensors("weight.");
    ASSERT_LE(job.data_parallel().shards().size(), weights.size());
    for (const ParameterShard& shard : job.data_parallel().shards())
      ASSERT_TRUE(weights.contains(shard.parameter->name)) << shard.parameter->name;
    // Weights, and their masters where they have some.
    for (const StateEntry& entry : job.StateEntries()) {
      if (weights.contains(entry.name))
        WriteTensor(weights.at(entry.name), entry.local, job.compute());
    }
    body(job);
  });
}

// Trains on the golden batches from the golden weights.
std::vector<StepState> Train(const Golden& golden, DType dtype, int num_steps) {
  std::vector<StepState> states;
  WithGoldenWeights(golden, golden.Config(dtype), [&](TrainingJob& job) {
    for (int step = 0; step < num_steps; ++step) {
      StepState state = {.result = job.step().Run(golden.Batch(step), StopRequest::kNo)};
      for (const ParameterShard& shard : job.data_parallel().shards()) {
        const Parameter* parameter = shard.parameter;
        state.gradients[parameter->name] = ReadTensor(parameter->grad, job.compute());
        state.weights[parameter->name] = ReadTensor(parameter->weight, job.compute());
      }
      states.push_back(std::move(state));
    }
  });
  return states;
}

// Of the last position of each row.
std::vector<double> InferLogits(const Golden& golden, TrainingJob& job, DType dtype) {
  Stream& stream = job.compute();
  const Shape& shape = golden.ShapeOf("tokens");
  const auto upload = [&](const std::string& name) {
    const std::vector<int32_t> values = golden.Values<int32_t>(name);
    Tensor tensor(DType::kI32, shape, MemoryCategory::kWorkspace, stream);
    stream.device().CopyToDevice(tensor, ConstTensorView(values.data(), DType::kI32, shape),
                                 stream);
    stream.Synchronize(stream.device().wait_limit());
    return tensor;
  };
  const Tensor tokens_BS = upload("tokens"), positions_BS = upload("positions");
  const Tensor logits_BV(dtype, golden.ShapeOf("logits"), MemoryCategory::kWorkspace, stream);
  ForwardContext context = {.stream = stream,
                            .mode = Mode::kInference,
                            .inputs = {.tokens_BS = tokens_BS, .positions_BS = positions_BS},
                            .logits_BV = logits_BV};
  Stage& stage = job.model().stage();
  Stage::Saves saves = stage.NewSaves();
  stage.Forward(context, saves, Tensor());
  return ReadTensor(logits_BV, stream);
}

struct StepCase {
  const char* file;
  DType dtype;
  double loss_bound;
  double gradient_bound;
};

class TorchParity : public testing::TestWithParam<StepCase> {};

TEST_P(TorchParity, LossAndGradientsOfOneStep) {
  const StepCase& c = GetParam();
  const Golden golden(c.file);
  const auto states = Train(golden, c.dtype, 1);
  ASSERT_EQ(states.size(), 1u);
  const double loss = golden.Values<double>("loss")[0];
  EXPECT_NEAR(states[0].result.loss, loss, c.loss_bound * loss);
  ExpectTensorsNear(states[0].gradients, golden.Tensors("grad."), c.gradient_bound, c.file);
}

INSTANTIATE_TEST_SUITE_P(
    , TorchParity,
    testing::Values(StepCase{"llama_step_untied.safetensors", DType::kF64, 1e-10, 1e-10},
                    StepCase{"llama_step_tied.safetensors", DType::kF64, 1e-10, 1e-10},
                    StepCase{"llama_step_untied.safetensors", DType::kF32, 1e-6, 1e-5},
                    StepCase{"llama_step_tied.safetensors", DType::kF32, 1e-6, 1e-5}),
    [](const auto& test) {
      return StrCat(
          std::string(test.param.file).find("untied") != std::string::npos ? "Untied" : "Tied",
          test.param.dtype == DType::kF64 ? "F64" : "F32");
    });

class FamilyParity : public testing::TestWithParam<const char*> {};

TEST_P(FamilyParity, LogitsLossAndGradientsOfOneStep) {
  const Golden golden(GetParam());
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    const double bound = dtype == DType::kF64 ? 1e-10 : 1e-5;
    WithGoldenWeights(golden, golden.Config(dtype), [&](TrainingJob& job) {
      ExpectTensorsNear({{"logits", InferLogits(golden, job, dtype)}},
                        {{"logits", golden.Values<double>("logits")}}, bound,
                        std::string(Name(dtype)));
    });
    const auto states = Train(golden, dtype, 1);
    ASSERT_EQ(states.size(), 1u);
    const double loss = golden.Values<double>("loss")[0];
    EXPECT_NEAR(states[0].result.loss, loss, bound * loss);
    ExpectTensorsNear(states[0].gradients, golden.Tensors("grad."), bound,
                      std::string(Name(dtype)));
  }
}

INSTANTIATE_TEST_SUITE_P(, FamilyParity,
                         testing::Values("gpt2_step.safetensors", "llama3_step.safetensors",
                                         "mistral_step.safetensors", "qwen2_step.safetensors",
                                         "qwen3_step.safetensors"),
                         [](const auto& test) {
                           const std::string file = test.param;
                           return file.substr(0, file.find('_'));
                         });

// So the parity of a file says something of the option that it is for.
TEST(FamilyOptions, TheOptionOfEachFileTells) {
  for (const auto& [file, field] : {std::pair{"llama3_step.safetensors", "rope_scaling"},
                                    std::pair{"mistral_step.safetensors", "sliding_window"},
                                    std::pair{"qwen2_step.safetensors", "qkv_bias"},
                                    std::pair{"qwen3_step.safetensors", "qk_norm"}}) {
    const Golden golden(file);
    RunConfig config = golden.Config(DType::kF64);
    LlamaConfig& llama = *config.mutable_model()->mutable_llama();
    llama.GetReflection()->ClearField(&llama, LlamaConfig::descriptor()->FindFieldByName(field));
    const std::vector<double> logits = golden.Values<double>("logits");
    WithGoldenWeights(golden, config, [&](TrainingJob& job) {
      EXPECT_GT(Distance(InferLogits(golden, job, DType::kF64), logits), 1e-3 * Norm(logits))
          << field;
    });
  }
}

TEST(TorchCurve, TwentyStepsOfAdamW) {
  const Golden golden("llama_curve.safetensors");
  const auto loss = golden.Values<double>("loss");
  const auto gnorm = golden.Values<double>("gnorm");
  const auto lr = golden.Values<double>("lr");
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBF16}) {
    const double bound = dtype == DType::kF64 ? 1e-9 : dtype == DType::kF32 ? 1e-4 : 1e-2;
    const auto states = Train(golden, dtype, 20);
    ASSERT_EQ(states.size(), 20u);
    for (size_t step = 0; step < 20; ++step) {
      EXPECT_NEAR(states[step].result.loss, loss[step], bound * loss[step])
          << Name(dtype) << ", step " << step;
      EXPECT_NEAR(states[step].result.gradient_norm, gnorm[step], 10 * bound * gnorm[step])
          << Name(dtype) << ", step " << step;
      EXPECT_NEAR(states[step].result.learning_rate, lr[step], 1e-12 * lr[step]) << "step " << step;
    }
    if (dtype == DType::kF64) {
      ExpectTensorsNear(states.back().weights, golden.Tensors("final."), 1e-9,
                        "weights after 20 steps");
    }
  }
}

}  // namespace
}  // namespace cadmus
