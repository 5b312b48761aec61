// SPDX-License-Identifier: Apache-2.0
// Every recipe of a published model has that model's number of parameters, and a layout whose
// memory fits its accelerators and is worth them.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "launch/config/load_config.h"
#include "launch/config/run_config.pb.h"
#include "launch/plan/run_plan.h"

namespace cadmus {
namespace {

const std::filesystem::path kRecipes = CADMUS_SOURCE_DIR "/launch/recipes";

struct Published {
  int64_t num_parameters;
  int world_size;
};

// As counted in the safetensors files of each model's Hugging Face repository.
const std::map<std::string, Published>& PublishedModels() {
  static const std::map<std::string, Published> models = {
      {"gpt2-124m", {124'439'808, 8}},
      {"gpt2-1.5b", {1'557'611'200, 8}},
      {"llama-3.1-8b", {8'030'261'248, 16}},
      {"llama-3.1-70b", {70'553'706'496, 256}},
      {"llama-3.1-405b", {405'853'388'800, 16384}},
      {"mistral-7b", {7'241'732'096, 16}},
      {"qwen3-0.6b", {596'049'920, 8}},
      {"qwen3-8b", {8'190'735'360, 16}}};
  return models;
}

TEST(Recipes, OfPublishedModelsHaveTheirSizeAndFit) {
  for (const auto& [name, published] : PublishedModels()) {
    SCOPED_TRACE(name);
    RunConfig config;
    LoadConfig((kRecipes / (name + ".textproto")).string(), {}, config);
    EXPECT_EQ(config.name(), name);
    ASSERT_EQ(WorldSizeOf(config), published.world_size);
    const RunPlan plan = MakePlan(config, published.world_size);
    EXPECT_EQ(plan.num_parameters, published.num_parameters);
    EXPECT_TRUE(plan.fits());
  }
}

TEST(Recipes, AreAllHeldToThis) {
  const std::set<std::string> others = {"llama-quickstart", "llama-1t"};
  for (const auto& entry : std::filesystem::directory_iterator(kRecipes)) {
    if (entry.path().extension() != ".textproto") continue;
    const std::string name = entry.path().stem().string();
    EXPECT_TRUE(PublishedModels().contains(name) || others.contains(name)) << name;
  }
}

}  // namespace
}  // namespace cadmus
