// SPDX-License-Identifier: Apache-2.0
#include "runtime/formats/safetensors_folder.h"

#include <string_view>

#include "runtime/formats/safetensors_writer.h"
#include "tests/runtime/formats/file_contents.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class SafetensorsFolderTest : public testing::Test {
 protected:
  // A file of tensors [2] U8 whose bytes are their name's first two.
  void WriteShard(const std::string& file, const std::vector<std::string>& names) {
    SafetensorsContent content;
    std::string bytes;
    for (const std::string& name : names) {
      content.tensors.push_back({.name = name, .dtype = DType::kU8, .shape = {2}});
      bytes += name.substr(0, 2);
    }
    SafetensorsWriter writer(folder_ / file, Kind::kData, std::move(content));
    writer.Append(std::as_bytes(std::span(bytes)));
    writer.Commit();
  }
  void WriteIndex(const std::map<std::string, std::string>& files) {
    WriteFile(folder_ / kSafetensorsIndexName, SafetensorsIndexText(files, 0));
  }
  std::string Refusal() {
    return MessageOf(Kind::kData, [&] { SafetensorsFolder(folder_.path(), Kind::kData); });
  }

  TemporaryFolder folder_;
};

TEST_F(SafetensorsFolderTest, OneFileAndShardsAreOneSetOfTensors) {
  WriteShard("a.safetensors", {"aa", "ab"});
  WriteShard("b.safetensors", {"ba"});
  WriteIndex({{"aa", "a.safetensors"}, {"ab", "a.safetensors"}, {"ba", "b.safetensors"}});
  const SafetensorsFolder folder(folder_.path(), Kind::kData);
  EXPECT_EQ(folder.num_files(), 2);
  EXPECT_EQ(folder.tensors().size(), 3u);
  EXPECT_EQ(folder.Find("none"), nullptr);
  char byte = 0;
  folder.Read(*folder.Find("ab"), 1, std::as_writable_bytes(std::span(&byte, 1)));
  EXPECT_EQ(byte, 'b');
  fs::remove(folder_ / kSafetensorsIndexName);
  WriteShard("model.safetensors", {"cc"});
  EXPECT_NE(SafetensorsFolder(folder_.path(), Kind::kData).Find("cc"), nullptr);
}

TEST_F(SafetensorsFolderTest, MissingShardsAreAllNamed) {
  WriteShard("a.safetensors", {"aa"});
  WriteIndex({{"aa", "a.safetensors"}, {"ba", "b.safetensors"}, {"ca", "c.safetensors"}});
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("missing shard b.safetensors"),
                               HasSubstr("missing shard c.safetensors")));
}

TEST_F(SafetensorsFolderTest, TensorsElsewhereThanInTheIndexAreAllNamed) {
  WriteShard("a.safetensors", {"aa", "ab", "ac"});
  WriteShard("b.safetensors", {"ab", "ba"});
  WriteIndex({{"aa", "a.safetensors"},
              {"ab", "a.safetensors"},
              {"ac", "b.safetensors"},
              {"ba", "b.safetensors"},
              {"bb", "b.safetensors"}});
  EXPECT_THAT(Refusal(),
              AllOf(HasSubstr("\"ab\" is in b.safetensors and in a.safetensors"),
                    HasSubstr("\"ac\" is in a.safetensors, but the index has it in b.safetensors"),
                    HasSubstr("\"bb\" is not in b.safetensors"), Not(HasSubstr("\"aa\""))));
  WriteIndex({{"aa", "a.safetensors"}});
  EXPECT_THAT(Refusal(), HasSubstr("\"ab\" of a.safetensors is not in the index"));
}

TEST_F(SafetensorsFolderTest, IndexesThatAreNoneAreRefused) {
  const auto refusal = [&](std::string_view text) {
    WriteFile(folder_ / kSafetensorsIndexName, text);
    return Refusal();
  };
  EXPECT_THAT(refusal("{\n\"weight_map\" 1}"),
              AllOf(HasSubstr("model.safetensors.index.json"), HasSubstr("line 2")));
  EXPECT_THAT(refusal("{}"), HasSubstr("\"weight_map\" is missing"));
  EXPECT_THAT(refusal(R"({"weight_map": {"a": 1}})"), HasSubstr("weight_map \"a\""));
  EXPECT_THAT(refusal(R"({"weight_map": {"a": "f", "a": "g"}})"), HasSubstr("\"a\" stands twice"));
  for (const char* name : {"../x.safetensors", "/etc/passwd", "", ".", ".."}) {
    EXPECT_THAT(refusal(StrCat(R"({"weight_map": {"a": ")", name, R"("}})")),
                HasSubstr("no file of this folder"));
  }
}

TEST_F(SafetensorsFolderTest, TruncatedShardsAreNamed) {
  WriteShard("a.safetensors", {"aa", "ab"});
  WriteIndex({{"aa", "a.safetensors"}, {"ab", "a.safetensors"}});
  fs::resize_file(folder_ / "a.safetensors", fs::file_size(folder_ / "a.safetensors") - 1);
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("a.safetensors"), HasSubstr("it has 123 bytes")));
}

TEST_F(SafetensorsFolderTest, FoldersWithoutOrWithTwoKindsOfWeightsAreRefused) {
  EXPECT_THAT(Refusal(), HasSubstr("save_pretrained"));
  WriteShard("model.safetensors", {"aa"});
  WriteIndex({{"aa", "model.safetensors"}});
  EXPECT_THAT(Refusal(), HasSubstr("holds both"));
}

TEST_F(SafetensorsFolderTest, AShardOfANameThatNoFileMayHaveIsMissing) {
  const std::string name(300, 'a');
  WriteFile(folder_ / kSafetensorsIndexName, StrCat(R"({"weight_map": {"x": ")", name, R"("}})"));
  EXPECT_THAT(Refusal(), HasSubstr("missing shard " + name));
}

}  // namespace
}  // namespace cadmus
