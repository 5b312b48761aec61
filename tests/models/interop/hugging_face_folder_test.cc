// SPDX-License-Identifier: Apache-2.0
// Folders that do not hold a model that we have are refused, with everything that is wrong.
#include "models/interop/hugging_face_folder.h"

#include <gmock/gmock.h>

#include "models/families.pb.h"
#include "tests/models/interop/published_model.h"
#include "tests/runtime/formats/file_contents.h"

namespace cadmus {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class HuggingFaceFolderTest : public testing::Test {
 protected:
  std::string Refusal(const PublishedModel& model) {
    WritePublished(model, folder_ / "model");
    return MessageOf(Kind::kCheckpoint, [&] { HuggingFaceFolder(folder_ / "model", {}); });
  }
  // Of a config with one more field.
  std::string Refusal(const std::string& type, const std::string& field, const std::string& value) {
    PublishedModel model = MakePublished(type);
    model.config[field] = value;
    return Refusal(model);
  }
  LlamaConfig Accepted(const PublishedModel& model) {
    WritePublished(model, folder_ / "model");
    return HuggingFaceFolder(folder_ / "model", {}).config().llama();
  }

  TemporaryFolder folder_;
};

TEST_F(HuggingFaceFolderTest, ArchitecturesThatCannotBeRepresentedAreListed) {
  PublishedModel model = MakePublished("llama");
  model.config["hidden_act"] = R"("gelu")";
  model.config["attention_bias"] = "true";
  model.config["mlp_bias"] = "true";
  model.config["attention_dropout"] = "0.1";
  model.config["num_local_experts"] = "8";
  model.config["rope_scaling"] = R"({"type": "yarn", "factor": 4.0})";
  EXPECT_THAT(Refusal(model),
              AllOf(HasSubstr("config.json"), HasSubstr("hidden_act is \"gelu\"; only \"silu\""),
                    HasSubstr("attention_bias is true"), HasSubstr("mlp_bias is true"),
                    HasSubstr("attention_dropout is 0.1"), HasSubstr("num_local_experts is 8"),
                    HasSubstr("rope_scaling.rope_type is \"yarn\"")));
  EXPECT_THAT(Refusal("gpt2", "scale_attn_by_inverse_layer_idx", "true"),
              HasSubstr("scale_attn_by_inverse_layer_idx is true"));
  EXPECT_THAT(Refusal("gpt2", "activation_function", R"("relu")"), HasSubstr("\"relu\""));
  EXPECT_THAT(Refusal("gpt2", "embd_pdrop", "0.3"), HasSubstr("embd_pdrop is 0.3"));
}

TEST_F(HuggingFaceFolderTest, UnknownModelTypeListsOnlyWhatDiffers) {
  PublishedModel model = MakePublished("llama");
  model.config["model_type"] = R"("gemma2")";
  model.config["final_logit_softcapping"] = "30.0";
  EXPECT_THAT(Refusal(model),
              AllOf(HasSubstr("model_type is \"gemma2\""),
                    HasSubstr("final_logit_softcapping is 30.0"), Not(HasSubstr("hidden_size"))));
}

TEST_F(HuggingFaceFolderTest, WindowsOfSomeLayersOnlyAreRefused) {
  PublishedModel model = MakePublished("qwen3");
  model.config["use_sliding_window"] = "true";
  model.config["sliding_window"] = "8";
  model.config["max_window_layers"] = "1";
  EXPECT_THAT(Refusal(model), HasSubstr("max_window_layers"));
  model.config["layer_types"] = R"(["full_attention", "sliding_attention"])";
  EXPECT_THAT(Refusal(model), HasSubstr("layer_types"));
  model.config["layer_types"] = R"(["sliding_attention", "sliding_attention"])";
  EXPECT_EQ(Accepted(model).sliding_window(), 8);
  model.config["use_sliding_window"] = "false";
  EXPECT_FALSE(Accepted(model).has_sliding_window());
}

// What transformers takes for a field that is absent depends on the type.
TEST_F(HuggingFaceFolderTest, AbsentFieldsHaveTheDefaultsOfTheirType) {
  PublishedModel mistral = MakePublished("mistral");
  EXPECT_EQ(Accepted(mistral).sliding_window(), 4096);
  mistral.config["sliding_window"] = "null";
  EXPECT_FALSE(Accepted(mistral).has_sliding_window());
  mistral.config.erase("tie_word_embeddings");
  EXPECT_FALSE(Accepted(mistral).tie_word_embeddings());

  PublishedModel gpt2 = MakePublished("gpt2");
  WritePublished(gpt2, folder_ / "gpt2");
  const ModelConfig config = HuggingFaceFolder(folder_ / "gpt2", {}).config();
  EXPECT_TRUE(config.gpt2().tie_word_embeddings());
  EXPECT_EQ(config.gpt2().intermediate_size(), 48);
  EXPECT_EQ(config.gpt2().dropout(), 0.1);

  PublishedModel qwen3 = MakePublished("qwen3");
  qwen3.config.erase("head_dim");  // 128: the tensors are smaller
  EXPECT_THAT(Refusal(qwen3), HasSubstr("q_proj.weight is [24, 12], config.json makes it [512, "));
}

TEST_F(HuggingFaceFolderTest, RopeMayStandWhereTransformers5HasIt) {
  PublishedModel model = MakePublished("llama");
  const std::string scaling = R"("rope_theta": 5e5, "rope_type": "llama3", "factor": 8.0,
      "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32)";
  model.config["rope_parameters"] = StrCat("{", scaling, "}");
  const LlamaConfig config = Accepted(model);
  EXPECT_EQ(config.rope_theta(), 5e5);
  EXPECT_EQ(config.rope_scaling().factor(), 8);
  model.config["rope_parameters"] = StrCat("{", scaling, R"(, "partial_rotary_factor": 0.5})");
  EXPECT_THAT(Refusal(model), HasSubstr("rope_parameters.partial_rotary_factor is 0.5"));
}

TEST_F(HuggingFaceFolderTest, IgnoredFieldsAreTakenAsAbsent) {
  PublishedModel model = MakePublished("llama");
  model.config["novel_field"] = "3";
  WritePublished(model, folder_ / "model");
  const std::vector<std::string> ignored = {"novel_field"}, unknown = {"other"};
  EXPECT_NO_THROW(HuggingFaceFolder(folder_ / "model", ignored));
  EXPECT_THAT(MessageOf(Kind::kConfig, [&] { HuggingFaceFolder(folder_ / "model", unknown); }),
              HasSubstr("--ignore other"));
}

TEST_F(HuggingFaceFolderTest, BrokenConfigsAreNamedWithTheirPlace) {
  PublishedModel model = MakePublished("llama");
  WritePublished(model, folder_ / "model");
  const auto refusal = [&](const std::string& text) {
    WriteFile(folder_ / "model/config.json", text);
    return MessageOf(Kind::kCheckpoint, [&] { HuggingFaceFolder(folder_ / "model", {}); });
  };
  EXPECT_THAT(refusal("{\n \"vocab_size\": 1,\n oops}"),
              AllOf(HasSubstr("config.json"), HasSubstr("line 3")));
  EXPECT_THAT(refusal("[1]"), HasSubstr("no JSON object"));
  EXPECT_THAT(refusal("{\"a\": 1, \"a\": 2}"), HasSubstr("\"a\" stands twice"));
  EXPECT_THAT(Refusal("llama", "hidden_size", R"("12")"),
              HasSubstr("hidden_size is \"12\", which is not an integer"));
  EXPECT_THAT(Refusal("llama", "hidden_size", "null"), HasSubstr("hidden_size is missing"));
  EXPECT_THAT(Refusal("llama", "num_attention_heads", "5"), HasSubstr("num_attention_heads"));
}

TEST_F(HuggingFaceFolderTest, TensorsThatDoNotFitAreAllListed) {
  PublishedModel model = MakePublished("llama");
  model.tensors.erase("model.layers.0.mlp.up_proj.weight");
  model.tensors.erase("lm_head.weight");
  AddTensor(model, "model.layers.0.mlp.extra.weight", {3}, DType::kF32);
  AddTensor(model, "model.norm.weight", {13}, DType::kF32);
  AddTensor(model, "model.embed_tokens.weight", {17, 12}, DType::kF64);
  EXPECT_THAT(Refusal(model),
              AllOf(HasSubstr("missing     model.layers.0.mlp.up_proj.weight [20, 12]"),
                    HasSubstr("missing     lm_head.weight [17, 12]"),
                    HasSubstr("unexpected  model.layers.0.mlp.extra.weight F32 [3] in model.safe"),
                    HasSubstr("mis-shaped  model.norm.weight is [13], config.json makes it [12]"),
                    HasSubstr("unreadable  model.embed_tokens.weight is F64")));
}

TEST_F(HuggingFaceFolderTest, OldFilesWithoutPrefixAndWithBuffersAreRead) {
  PublishedModel model;
  for (auto& [name, tensor] : MakePublished("gpt2").tensors) {
    model.tensors[name.substr(std::string("transformer.").size())] = tensor;
  }
  model.config = MakePublished("gpt2").config;
  AddTensor(model, "h.0.attn.bias", {1, 1, 16, 16}, DType::kU8);
  AddTensor(model, "h.0.attn.masked_bias", {}, DType::kF32);
  WritePublished(model, folder_ / "model");
  EXPECT_THAT(HuggingFaceFolder(folder_ / "model", {}).Summary(),
              AllOf(HasSubstr("28 tensors in 1 file make 28 parameters"),
                    HasSubstr("2 left out, of which no weight is made: h.0.attn.bias")));
}

TEST_F(HuggingFaceFolderTest, SecondCopyOfATiedHeadMustBeTheSame) {
  PublishedModel model = MakePublished("qwen2");
  model.tensors["lm_head.weight"] = model.tensors["model.embed_tokens.weight"];
  EXPECT_TRUE(Accepted(model).tie_word_embeddings());
  model.tensors["lm_head.weight"].bytes[100] ^= 1;
  EXPECT_THAT(Refusal(model), HasSubstr("lm_head.weight differs from the embedding"));
}

}  // namespace
}  // namespace cadmus
