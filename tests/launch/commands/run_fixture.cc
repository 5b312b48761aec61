// SPDX-License-Identifier: Apache-2.0
#include "tests/launch/commands/run_fixture.h"

#include <unistd.h>

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/base/error.h"
#include "kernels/base/philox.h"
#include "runtime/formats/safetensors.h"

namespace cadmus {

namespace fs = std::filesystem;

const std::vector<std::string> kSlowSteps = {"train.global_batch_size=128",
                                             "train.micro_batch_size=8"};

RunFixture::RunFixture() {
  std::string pattern = (fs::temp_directory_path() / "cadmus-commands-XXXXXX").string();
  CADMUS_CHECK(::mkdtemp(pattern.data()) != nullptr, "no temporary folder");
  folder_ = pattern;
  const std::string text = WriteText("text", 1);
  MakeTokenizer(text, 300, path("tokenizer.json"));
  MakeDataset(text, path("tokenizer.json"), path("tokens"));
  std::ofstream(path("tiny.textproto")) << R"(name: "tiny"
output_dir: ")" << path("runs") << R"("
model {
  llama {
    hidden_size: 32
    intermediate_size: 48
    num_hidden_layers: 2
    num_attention_heads: 4
    num_key_value_heads: 2
    max_position_embeddings: 32
    dropout: 0.1
  }
}
data { path: ")" << path("tokens") << R"(" tokenizer: ")"
                                        << path("tokenizer.json") << R"(" sequence_length: 32 }
train { steps: 12 global_batch_size: 4 }
optimizer { lr: 1e-2 warmup_steps: 2 }
checkpoint { interval_steps: 4 }
device { memory_gib: 0.125 threads: 1 }
)";
}

RunFixture::~RunFixture() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

fs::path RunFixture::checkpoint(int step) const {
  std::string number = std::to_string(step);
  number.insert(0, 8 - number.size(), '0');
  return run_folder() / "checkpoints" / ("step-" + number);
}

std::string RunFixture::WriteText(const std::string& name, int seed) const {
  constexpr std::array<const char*, 16> kWords = {
      "the",  "quick", "brown",  "fox",  "jumps", "over", "lazy", "dog",
      "over", "river", "garden", "bird", "sings", "and",  "old",  "stone"};
  fs::create_directories(folder_ / name);
  const PhiloxKey key = DeriveKey(static_cast<uint64_t>(seed), 0, SiteOf("text"));
  uint32_t draw = 0;
  for (int document = 0; document < 20; ++document) {
    std::ofstream out(folder_ / name / StrCat(document, ".txt"));
    for (int word = 0; word < 200 + document; ++word) {
      const uint32_t random = Philox(key, {draw++, 0, 0, 0})[0];
      out << kWords[random % kWords.size()] << (random % 11 == 0 ? ".\n" : " ");
    }
  }
  return path(name);
}

void RunFixture::MakeTokenizer(const std::string& text, int vocab_size,
                               const std::string& out) const {
  const CommandResult result = Cadmus({"data", "tokenizer", "train", text, "--vocab-size",
                                       std::to_string(vocab_size), "--out", out});
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

void RunFixture::MakeDataset(const std::string& text, const std::string& tokenizer,
                             const std::string& out) const {
  const CommandResult result =
      Cadmus({"data", "build", text, "--tokenizer", tokenizer, "--out", out});
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

CommandResult RunFixture::Cadmus(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), CADMUS_BINARY);
  return RunCommand(arguments);
}

std::vector<std::string> RunFixture::TrainCommand(const std::vector<std::string>& overrides,
                                                  int num_ranks) const {
  std::vector<std::string> command;
  if (num_ranks > 1)
    command = {CADMUS_SOURCE_DIR "/tests/support/mpirun.sh", std::to_string(num_ranks)};
  command.insert(command.end(), {CADMUS_BINARY, "train", path("tiny.textproto")});
  for (const std::string& override : overrides) {
    command.push_back("--set");
    command.push_back(override);
  }
  return command;
}

CommandResult RunFixture::Train(const std::vector<std::string>& overrides, int num_ranks) const {
  return RunCommand(TrainCommand(overrides, num_ranks));
}

std::vector<std::string> With(std::vector<std::string> overrides,
                              const std::vector<std::string>& more) {
  overrides.insert(overrides.end(), more.begin(), more.end());
  return overrides;
}

std::map<std::string, std::string> TensorsOf(const fs::path& checkpoint) {
  std::map<std::string, std::string> tensors;
  for (const auto& entry : fs::directory_iterator(checkpoint)) {
    if (entry.path().extension() != ".safetensors") continue;
    const SafetensorsFile shard(entry.path(), Kind::kCheckpoint);
    for (const SafetensorsTensor& tensor : shard.tensors()) {
      const auto bytes = shard.TensorBytes(tensor.name);
      const bool is_new =
          tensors
              .emplace(tensor.name,
                       std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()))
              .second;
      EXPECT_TRUE(is_new) << tensor.name << " is stored twice";
    }
  }
  return tensors;
}

std::vector<MetricsOfStep> ReadMetrics(const fs::path& run) {
  std::vector<MetricsOfStep> metrics;
  std::ifstream in(run / "metrics.jsonl");
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json.contains("eval_loss")) continue;
    metrics.push_back({.step = json.at("step"),
                       .loss = json.at("loss"),
                       .gradient_norm = json.at("gnorm"),
                       .learning_rate = json.at("lr")});
  }
  return metrics;
}

void FlipByte(const fs::path& file) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  const auto middle = static_cast<std::streamoff>(fs::file_size(file) / 2);
  stream.seekg(middle);
  const int byte = stream.get();
  stream.seekp(middle);
  stream.put(static_cast<char>(byte ^ 0x10));
}

}  // namespace cadmus
