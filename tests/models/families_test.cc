// SPDX-License-Identifier: Apache-2.0
// A model is of exactly one family, and what families have in common is found in each.
#include "models/families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/base/error.h"
#include "models/families.pb.h"

namespace cadmus {
namespace {

using testing::HasSubstr;

std::string Refusal(const ModelConfig& config) {
  try {
    MakeShape(config);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kConfig);
    return error.message();
  }
  return "accepted";
}

TEST(Families, NoneOrSeveralAreRefusedByName) {
  ModelConfig config;
  EXPECT_THAT(Refusal(config), HasSubstr("model is missing; the families are: llama, gpt2"));
  config.mutable_llama();
  config.mutable_gpt2();
  EXPECT_THAT(Refusal(config), HasSubstr("model names llama and gpt2"));
  EXPECT_THAT(Refusal(config), HasSubstr("exactly one family"));
}

TEST(Families, TheFieldsOfTheOneThatIsSetAreFound) {
  for (const bool gpt2 : {false, true}) {
    ModelConfig config;
    if (gpt2) {
      config.mutable_gpt2();
    } else {
      config.mutable_llama();
    }
    const std::string name = gpt2 ? "model.gpt2.vocab_size" : "model.llama.vocab_size";
    EXPECT_EQ(FieldName(config, "vocab_size"), name);
    EXPECT_FALSE(VocabSize(config).has_value());
    EXPECT_THAT(Refusal(config), HasSubstr(name + " is missing"));
    SetVocabSize(config, 101);
    EXPECT_EQ(VocabSize(config), 101);
    EXPECT_THAT(Refusal(config), HasSubstr("hidden_size is missing"));
  }
}

}  // namespace
}  // namespace cadmus
