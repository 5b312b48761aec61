// SPDX-License-Identifier: Apache-2.0
// Import and export: every tensor of every model_type comes back bit for bit.
#include <gmock/gmock.h>

#include "models/families.pb.h"
#include "models/hugging_face/config_json_writer.h"
#include "models/interop/export_model.h"
#include "models/interop/hugging_face_folder.h"
#include "models/interop/import_weights.h"
#include "runtime/checkpoint/list_checkpoints.h"
#include "runtime/checkpoint/tensor_reader.h"
#include "runtime/checkpoint/verify_checkpoint.h"
#include "tests/models/interop/published_model.h"
#include "tests/runtime/formats/file_contents.h"

namespace cadmus {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// `source` imported to `folder`/checkpoint and exported from there to `folder`/exported.
ExportReport ImportAndExport(const std::filesystem::path& source,
                             const std::filesystem::path& folder, DType dtype,
                             int64_t max_shard_bytes) {
  const std::filesystem::path checkpoint = folder / CheckpointName(0);
  std::filesystem::create_directories(checkpoint);
  std::filesystem::create_directories(folder / "exported");
  const HuggingFaceFolder model(source, {});
  ImportWeights(model, checkpoint, {.run_name = "imported"}, [](int64_t) {});
  EXPECT_THAT(VerifyCheckpoint(checkpoint).problems, IsEmpty());
  ConfigJsonWriter json;
  WriteConfigFields(model.config(), dtype, json);
  WriteFile(folder / "exported" / "config.json", json.Text());
  return ExportWeights({.checkpoint = checkpoint,
                        .config = model.config(),
                        .dtype = dtype,
                        .max_shard_bytes = max_shard_bytes,
                        .folder = folder / "exported",
                        .progress = [](int64_t) {}});
}

void ExpectSameTensors(const PublishedModel& model, const std::filesystem::path& folder) {
  const SafetensorsFolder tensors(folder, Kind::kCheckpoint);
  EXPECT_EQ(tensors.tensors().size(), model.tensors.size());
  for (const auto& [name, wanted] : model.tensors) {
    const SafetensorsFolder::Entry* entry = tensors.Find(name);
    ASSERT_NE(entry, nullptr) << name;
    EXPECT_EQ(entry->tensor->shape, wanted.shape) << name;
    EXPECT_EQ(entry->tensor->dtype, wanted.dtype) << name;
    std::string bytes(wanted.bytes.size(), '\0');
    tensors.Read(*entry, 0, std::as_writable_bytes(std::span(bytes)));
    EXPECT_TRUE(bytes == wanted.bytes) << name;
  }
}

class RoundTrip : public testing::TestWithParam<const char*> {};

TEST_P(RoundTrip, TensorsAreBitEqualInOneFileAndInShards) {
  const TemporaryFolder folder;
  const PublishedModel model = MakePublished(GetParam());
  WritePublished(model, folder / "one");
  EXPECT_EQ(ImportAndExport(folder / "one", folder / "a", DType::kF32, 1 << 20).num_files, 1);
  ExpectSameTensors(model, folder / "a/exported");

  WritePublished(model, folder / "three", 3);
  EXPECT_GT(ImportAndExport(folder / "three", folder / "b", DType::kF32, 3000).num_files, 2);
  ExpectSameTensors(model, folder / "b/exported");
  EXPECT_EQ(ReadFile(folder / "a/exported/config.json", Kind::kData),
            ReadFile(folder / "b/exported/config.json", Kind::kData));
}

TEST_P(RoundTrip, Bf16ComesBackAsBf16) {
  const TemporaryFolder folder;
  const PublishedModel model = MakePublished(GetParam(), DType::kBF16);
  WritePublished(model, folder / "source");
  ImportAndExport(folder / "source", folder / "out", DType::kBF16, 1 << 20);
  ExpectSameTensors(model, folder / "out/exported");
}

// What was exported describes the model that was imported.
TEST_P(RoundTrip, ConfigIsTheSameAgain) {
  const TemporaryFolder folder;
  PublishedModel model = MakePublished(GetParam());
  const std::string type = GetParam();
  if (type != "gpt2") {
    model.config["rope_theta"] = "500000.0";
    model.config["rope_scaling"] = R"({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 32})";
  }
  if (type == "mistral" || type == "qwen2") model.config["sliding_window"] = "5";
  if (type == "qwen2") {
    model.config["use_sliding_window"] = "true";
    model.config["max_window_layers"] = "0";
  }
  WritePublished(model, folder / "source");
  ImportAndExport(folder / "source", folder / "out", DType::kF32, 1 << 20);
  const HuggingFaceFolder first(folder / "source", {}), second(folder / "out/exported", {});
  EXPECT_EQ(first.config().SerializeAsString(), second.config().SerializeAsString())
      << first.config().DebugString() << second.config().DebugString();
  EXPECT_THAT(ReadFile(folder / "out/exported/config.json", Kind::kData),
              HasSubstr(StrCat("\"model_type\": \"", type, "\"")));
}

INSTANTIATE_TEST_SUITE_P(ModelTypes, RoundTrip,
                         testing::Values("llama", "mistral", "qwen2", "qwen3", "gpt2"));

TEST(ImportWeights, HalfPrecisionIsWidenedExactlyAndMatricesAreJoined) {
  const TemporaryFolder folder;
  PublishedModel model = MakePublished("llama");
  PublishedTensor& query = model.tensors["model.layers.1.self_attn.q_proj.weight"];
  query.dtype = DType::kF16;
  query.bytes.assign(24 * 12 * 2, '\0');
  const uint16_t values[] = {0x3C00, 0xC100, 0x0001};  // 1, -2.5, 2^-24
  std::memcpy(query.bytes.data(), values, sizeof(values));
  WritePublished(model, folder / "source");
  ImportAndExport(folder / "source", folder / "out", DType::kF32, 1 << 20);

  TensorReader reader(folder / "out/step-00000000");
  const StoredTensor* qkv = reader.Find("blocks.1.attention.qkv.weight");
  ASSERT_NE(qkv, nullptr);
  EXPECT_EQ(qkv->shape, (Shape{48, 12}));
  std::vector<float> got(48 * 12);
  reader.Read(*qkv, {.offset = {0, 0}, .extent = {48, 12}}, [&](std::span<const std::byte> piece) {
    ASSERT_EQ(piece.size(), got.size() * sizeof(float));
    std::memcpy(got.data(), piece.data(), piece.size());
  });
  EXPECT_EQ(got[0], 1.0f);
  EXPECT_EQ(got[1], -2.5f);
  EXPECT_EQ(got[2], 0x1p-24f);
  float first_of_key = 0;
  std::memcpy(&first_of_key, model.tensors["model.layers.1.self_attn.k_proj.weight"].bytes.data(),
              sizeof(float));
  EXPECT_EQ(got[24 * 12], first_of_key);
}

TEST(ExportWeights, WhatNoModelTypeHasIsRefusedByField) {
  const TemporaryFolder folder;
  WritePublished(MakePublished("qwen2"), folder / "source");
  ModelConfig config = HuggingFaceFolder(folder / "source", {}).config();
  config.mutable_llama()->set_qk_norm(true);
  ConfigJsonWriter json;
  const std::string message =
      MessageOf(Kind::kConfig, [&] { WriteConfigFields(config, DType::kF32, json); });
  EXPECT_THAT(message, testing::AllOf(HasSubstr("qkv_bias"), HasSubstr("qk_norm")));
}

TEST(ExportWeights, TensorsThatTheCheckpointLacksAreNamed) {
  const TemporaryFolder folder;
  WritePublished(MakePublished("llama"), folder / "source");
  ImportAndExport(folder / "source", folder / "out", DType::kF32, 1 << 20);
  ModelConfig config = HuggingFaceFolder(folder / "source", {}).config();
  config.mutable_llama()->set_num_hidden_layers(3);
  EXPECT_THAT(MessageOf(Kind::kCheckpoint,
                        [&] {
                          ExportWeights({.checkpoint = folder / "out/step-00000000",
                                         .config = config,
                                         .max_shard_bytes = 1 << 20,
                                         .folder = folder / "none",
                                         .progress = [](int64_t) {}});
                        }),
              HasSubstr("blocks.2.attention.qkv.weight [48, 12] is missing"));
}

}  // namespace
}  // namespace cadmus
