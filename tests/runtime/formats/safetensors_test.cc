// SPDX-License-Identifier: Apache-2.0
#include "runtime/formats/safetensors.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "tests/runtime/formats/file_contents.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string WithLength(uint64_t length, std::string_view rest) {
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes + std::string(rest);
}

std::string FileOf(std::string_view header, std::string_view data) {
  return WithLength(header.size(), std::string(header) + std::string(data));
}

std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class Safetensors : public ::testing::Test {
 protected:
  SafetensorsFile Open(std::string_view bytes) {
    WriteFile(path_, bytes);
    return SafetensorsFile(path_, Kind::kData);
  }
  // The message with which a file is refused; it always names the file.
  std::string Refusal(std::string_view bytes) {
    const std::string message = MessageOf(Kind::kData, [&] { Open(bytes); });
    EXPECT_THAT(message, HasSubstr(path_.string()));
    return message;
  }
  // The same of one with the entries and data given.
  std::string RefusalOf(std::string_view entries, std::string_view data) {
    return Refusal(FileOf(StrCat("{", entries, "}"), data));
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "model.safetensors";
};

TEST_F(Safetensors, ReadsAFileBuiltByHand) {
  const SafetensorsFile file =
      Open(FileOf(R"({"b":{"dtype":"U8","shape":[2,1],"data_offsets":[4,6]},)"
                  R"("__metadata__":{"format":"pt"},)"
                  R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                  R"("none":{"dtype":"F64","shape":[3,0],"data_offsets":[6,6]}}  )",
                  "abcdXY"));
  ASSERT_EQ(file.tensors().size(), 3u);
  EXPECT_EQ(file.tensors()[0].name, "a");
  EXPECT_EQ(file.tensors()[0].dtype, DType::kF32);
  EXPECT_EQ(file.tensors()[0].shape, Shape());
  EXPECT_EQ(file.tensors()[1].name, "b");
  EXPECT_EQ(file.tensors()[1].shape, (Shape{2, 1}));
  EXPECT_EQ(AsText(file.TensorBytes("a")), "abcd");
  EXPECT_EQ(AsText(file.TensorBytes("b")), "XY");
  EXPECT_TRUE(file.TensorBytes("none").empty());
  EXPECT_EQ(file.metadata(), (SafetensorsMetadata{{"format", "pt"}}));
}

TEST_F(Safetensors, ReadsAFileWithoutTensors) {
  EXPECT_TRUE(Open(FileOf("{}", "")).tensors().empty());
}

TEST_F(Safetensors, NamesATensorThatIsNotThere) {
  const SafetensorsFile file = Open(FileOf("{}", ""));
  EXPECT_EQ(file.Find("w"), nullptr);
  EXPECT_THAT(MessageOf(Kind::kData, [&] { file.TensorBytes("w"); }), HasSubstr("\"w\""));
}

TEST_F(Safetensors, RefusesABrokenLength) {
  EXPECT_THAT(Refusal(""), HasSubstr("0 bytes, too few"));
  EXPECT_THAT(Refusal("\x02\0\0\0\0\0\0"), HasSubstr("too few"));
  EXPECT_THAT(Refusal(WithLength(3, "{}")), HasSubstr("a header of 3 bytes in a file of 10"));
  EXPECT_THAT(Refusal(WithLength(100'000'001, "{}")), HasSubstr("at most 100000000"));
  EXPECT_THAT(Refusal(WithLength(~uint64_t{0}, "{}")), HasSubstr("at most 100000000"));
}

TEST_F(Safetensors, RefusesAHeaderThatIsNoObject) {
  EXPECT_THAT(Refusal(WithLength(0, "")), HasSubstr("'{'"));
  EXPECT_THAT(Refusal(FileOf(" {}", "")), HasSubstr("'{'"));
  EXPECT_THAT(Refusal(FileOf("[]", "")), HasSubstr("'{'"));
  EXPECT_THAT(Refusal(FileOf("{", "")), HasSubstr("not a JSON object"));
  EXPECT_THAT(Refusal(FileOf("{} {}", "")), HasSubstr("not a JSON object"));
  EXPECT_THAT(Refusal(FileOf("{\"\xff\":{}}", "")), HasSubstr("not a JSON object"));
  EXPECT_THAT(Refusal(FileOf(std::string(100'000, '{'), "")), HasSubstr("not a JSON object"));
  std::string nested = "{\"a\":";
  for (int i = 0; i < 100'000; ++i) nested += "[";
  EXPECT_THAT(Refusal(FileOf(nested, "")), HasSubstr("not a JSON object"));
}

TEST_F(Safetensors, RefusesBrokenMetadata) {
  EXPECT_THAT(RefusalOf(R"("__metadata__":3)", ""), HasSubstr("not an object"));
  EXPECT_THAT(RefusalOf(R"("__metadata__":{"a":1})", ""), HasSubstr("\"a\" is not a string"));
  EXPECT_THAT(RefusalOf(R"("__metadata__":{"a":"1","a":"1"})", ""),
              HasSubstr("\"a\" is there twice"));
  EXPECT_THAT(RefusalOf(R"("__metadata__":{},"__metadata__":{})", ""), HasSubstr("twice"));
}

TEST_F(Safetensors, RefusesABrokenTensorAndNamesIt) {
  const auto refusal = [&](std::string_view fields) {
    const std::string message = RefusalOf(StrCat("\"w\":", fields), "abcd");
    EXPECT_THAT(message, HasSubstr("tensor \"w\""));
    return message;
  };
  EXPECT_THAT(refusal("[]"), HasSubstr("not an object"));
  EXPECT_THAT(refusal(R"({"shape":[1],"data_offsets":[0,4]})"), HasSubstr("missing"));
  EXPECT_THAT(refusal(R"({"dtype":"F32","data_offsets":[0,4]})"), HasSubstr("missing"));
  EXPECT_THAT(refusal(R"({"dtype":"F32","shape":[1]})"), HasSubstr("missing"));
  EXPECT_THAT(refusal(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1})"),
              HasSubstr("unknown field \"x\""));
  EXPECT_THAT(refusal(R"({"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]})"),
              HasSubstr("\"shape\" is there twice"));
  const auto with = [&](std::string_view dtype, std::string_view shape, std::string_view offsets) {
    return refusal(
        StrCat("{\"dtype\":", dtype, ",\"shape\":", shape, ",\"data_offsets\":", offsets, "}"));
  };
  EXPECT_THAT(with("4", "[1]", "[0,4]"), HasSubstr("dtype is not a string"));
  EXPECT_THAT(with("\"F31\"", "[1]", "[0,4]"), HasSubstr("\"F31\" is not supported"));
  EXPECT_THAT(with("\"F32\"", "1", "[0,4]"), HasSubstr("shape is not a list"));
  EXPECT_THAT(with("\"F32\"", "[-1]", "[0,4]"), HasSubstr("not a size"));
  EXPECT_THAT(with("\"F32\"", "[1.0]", "[0,4]"), HasSubstr("not a size"));
  EXPECT_THAT(with("\"F32\"", "[[1]]", "[0,4]"), HasSubstr("not a size"));
  EXPECT_THAT(with("\"F32\"", "[18446744073709551615]", "[0,4]"), HasSubstr("not a size"));
  EXPECT_THAT(with("\"F32\"", "[1,1,1,1,1,1,1]", "[0,4]"), HasSubstr("more than 6 dims"));
  EXPECT_THAT(with("\"F32\"", "[2]", "[0,4]"), HasSubstr("takes 8 bytes, but data_offsets hold 4"));
  // 2^32 · 2^32 elements: 0 bytes in 64 bits.
  EXPECT_THAT(with("\"F32\"", "[4294967296,4294967296]", "[0,0]"), HasSubstr("more than 2^63"));
  EXPECT_THAT(with("\"F32\"", "[1]", "[0]"), HasSubstr("list of two"));
  EXPECT_THAT(with("\"F32\"", "[1]", "4"), HasSubstr("list of two"));
  EXPECT_THAT(with("\"F32\"", "[1]", "[0,4.0]"), HasSubstr("not a byte range"));
  EXPECT_THAT(with("\"F32\"", "[1]", "[-4,0]"), HasSubstr("not a byte range"));
  EXPECT_THAT(with("\"F32\"", "[1]", "[4,0]"), HasSubstr("not a byte range"));
  EXPECT_THAT(with("\"F32\"", "[1]", "[9223372036854775803,9223372036854775807]"),
              HasSubstr("not a byte range"));
}

TEST_F(Safetensors, RefusesDataThatIsNotContiguous) {
  const auto entry = [](std::string_view name, int begin, int end) {
    return StrCat("\"", name, "\":{\"dtype\":\"U8\",\"shape\":[", end - begin,
                  "],\"data_offsets\":[", begin, ",", end, "]}");
  };
  EXPECT_THAT(RefusalOf(entry("a", 1, 4), "abcd"), AllOf(HasSubstr("\"a\""), HasSubstr("hole")));
  EXPECT_THAT(RefusalOf(StrCat(entry("a", 0, 1), ",", entry("b", 2, 4)), "abcd"),
              AllOf(HasSubstr("\"b\""), HasSubstr("hole")));
  EXPECT_THAT(RefusalOf(StrCat(entry("a", 0, 3), ",", entry("b", 2, 4)), "abcd"),
              AllOf(HasSubstr("\"b\""), HasSubstr("inside other data")));
  EXPECT_THAT(RefusalOf(entry("a", 0, 3), "abcd"), HasSubstr("end at byte"));
  EXPECT_THAT(RefusalOf("", "x"), HasSubstr("end at byte"));
}

TEST_F(Safetensors, RefusesATruncatedFile) {
  const std::string whole =
      FileOf(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "abcd");
  for (size_t size = 0; size < whole.size(); ++size) Refusal(whole.substr(0, size));
  EXPECT_EQ(Open(whole).tensors().size(), 1u);
}

TEST_F(Safetensors, RefusesANameThatIsThereTwiceOrTooLong) {
  EXPECT_THAT(RefusalOf(R"("w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                        R"("w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]})",
                        "ab"),
              AllOf(HasSubstr("\"w\""), HasSubstr("twice")));
  EXPECT_THAT(RefusalOf(StrCat("\"", std::string(513, 'n'),
                               "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}"),
                        ""),
              HasSubstr("a name of 513 bytes"));
}

TEST_F(Safetensors, RefusesMoreTensorsThanAreAllowed) {
  std::string header = "{";
  for (size_t i = 0; i <= kMaxSafetensorsTensors; ++i) {
    header += StrCat(i == 0 ? "" : ",", "\"", i,
                     "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}");
  }
  EXPECT_THAT(Refusal(FileOf(header + "}", "")), HasSubstr("more than 1000000 tensors"));
}

TEST_F(Safetensors, ErrorsAreOfTheCallersKind) {
  EXPECT_THAT(MessageOf(Kind::kCheckpoint,
                        [&] { SafetensorsFile(folder_ / "missing", Kind::kCheckpoint); }),
              HasSubstr("missing"));
}

}  // namespace
}  // namespace cadmus
