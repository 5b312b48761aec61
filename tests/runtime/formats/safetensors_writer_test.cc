// SPDX-License-Identifier: Apache-2.0
#include "runtime/formats/safetensors_writer.h"

#include <gmock/gmock.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "tests/runtime/formats/file_contents.h"

namespace cadmus {
namespace {

using ::testing::HasSubstr;

template <class T>
std::span<const std::byte> BytesOf(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

TEST(SafetensorsWriter, WritesTheBytesOfAFileBuiltByHand) {
  const TemporaryFolder folder;
  const auto path = folder / "w.safetensors";
  SafetensorsWriter writer(path, Kind::kData,
                           {.tensors = {{.name = "w", .dtype = DType::kU16, .shape = {2, 1}},
                                        {.name = "é\"", .dtype = DType::kU8, .shape = {}}},
                            .metadata = {{"k", "v"}}});
  writer.Append(BytesOf<uint16_t>({0x6261, 0x6463}));
  writer.Append(BytesOf<uint8_t>({'e'}));
  writer.Commit();

  std::string header =
      R"({"__metadata__":{"k":"v"},"w":{"dtype":"U16","shape":[2,1],"data_offsets":[0,4]},)"
      R"("é\"":{"dtype":"U8","shape":[],"data_offsets":[4,5]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const uint64_t length = header.size();
  std::string expected(sizeof(length), '\0');
  std::memcpy(expected.data(), &length, sizeof(length));
  EXPECT_EQ(ReadFile(path, Kind::kData), expected + header + "abcde");
}

TEST(SafetensorsWriter, ValuesComeBackBitForBit) {
  const TemporaryFolder folder;
  const auto path = folder / "w.safetensors";
  const std::vector<double> wide = {1.0 / 3, -0.0, std::numeric_limits<double>::quiet_NaN(),
                                    std::numeric_limits<double>::denorm_min()};
  const std::vector<float> narrow = {1.0F / 3, -0.0F, std::numeric_limits<float>::infinity()};
  std::vector<std::byte> seen;
  SafetensorsWriter writer(
      path, Kind::kData,
      {.tensors = {{.name = "wide", .dtype = DType::kF64, .shape = {2, 2}},
                   {.name = "empty", .dtype = DType::kF64, .shape = {0, 5}},
                   {.name = "narrow", .dtype = DType::kF32, .shape = {3}}},
       .metadata = {{"config", "line 1\nline \"2\"\t"}},
       .on_bytes = [&](auto bytes) { seen.insert(seen.end(), bytes.begin(), bytes.end()); }});
  // In pieces that do not end where tensors end.
  std::vector<std::byte> data(BytesOf(wide).begin(), BytesOf(wide).end());
  data.insert(data.end(), BytesOf(narrow).begin(), BytesOf(narrow).end());
  writer.Append(std::span(data).first(33));
  writer.Append(std::span(data).subspan(33));
  writer.Commit();

  const SafetensorsFile file(path, Kind::kData);
  const auto same = [&](std::string_view name, std::span<const std::byte> expected) {
    return std::ranges::equal(file.TensorBytes(name), expected);
  };
  EXPECT_TRUE(same("wide", BytesOf(wide)));
  EXPECT_TRUE(same("narrow", BytesOf(narrow)));
  EXPECT_TRUE(same("empty", {}));
  EXPECT_EQ(file.metadata().at("config"), "line 1\nline \"2\"\t");
  EXPECT_EQ(file.Find("wide")->begin % 8, 0);
  EXPECT_EQ(file.Find("wide")->begin, writer.offsets()[0]);
  EXPECT_EQ(file.Find("narrow")->begin, writer.offsets()[2]);
  EXPECT_EQ(writer.num_bytes(), static_cast<int64_t>(seen.size()));
  const std::string stored = ReadFile(path, Kind::kData);
  EXPECT_TRUE(std::ranges::equal(std::as_bytes(std::span(stored)), seen));
}

TEST(SafetensorsWriter, WritesAFileWithoutTensors) {
  const TemporaryFolder folder;
  SafetensorsWriter(folder / "w", Kind::kData, {}).Commit();
  EXPECT_TRUE(SafetensorsFile(folder / "w", Kind::kData).tensors().empty());
}

TEST(SafetensorsWriter, LeavesNothingWithoutCommit) {
  const TemporaryFolder folder;
  {
    SafetensorsWriter writer(folder / "w", Kind::kData,
                             {.tensors = {{.name = "w", .dtype = DType::kU8, .shape = {4}}}});
    writer.Append(BytesOf<uint8_t>({1, 2}));
    EXPECT_THAT(MessageOf(Kind::kInternal, [&] { writer.Commit(); }), HasSubstr("bytes"));
    EXPECT_THAT(MessageOf(Kind::kInternal,
                          [&] {
                            writer.Append(BytesOf<uint8_t>({1, 2, 3}));
                          }),
                HasSubstr("bytes"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(SafetensorsWriter, RefusesNamesThatAReaderWouldRefuse) {
  const TemporaryFolder folder;
  const auto refusal = [&](std::vector<std::string> names) {
    SafetensorsContent content;
    for (const auto& name : names) {
      content.tensors.push_back({.name = name, .dtype = DType::kU8, .shape = {0}});
    }
    return MessageOf(Kind::kData, [&] { SafetensorsWriter(folder / "w", Kind::kData, content); });
  };
  EXPECT_THAT(refusal({"a", "a"}), HasSubstr("\"a\": its name is taken"));
  EXPECT_THAT(refusal({"__metadata__"}), HasSubstr("reserved"));
  EXPECT_THAT(refusal({std::string(513, 'n')}), HasSubstr("more than 512"));
  EXPECT_THAT(refusal({"\xff"}), HasSubstr("not UTF-8"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace cadmus
