// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/manifest.h"

#include <gmock/gmock.h>

#include <string>

#include "kernels/base/file.h"
#include "tests/runtime/checkpoint/save_and_load.h"
#include "tests/runtime/formats/file_contents.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A tensor of 2 × 3 floats in two boxes of one file.
Manifest Example() {
  Manifest manifest;
  manifest.info = InfoOf(7);
  manifest.info.created = "2026-11-22T15:04:05Z";
  manifest.info.host = "node-1";
  manifest.tensors = {
      {.name = "w",
       .dtype = DType::kF32,
       .shape = {2, 3},
       .boxes = {{.box = {.offset = {0, 0}, .extent = {1, 3}}, .file = 0, .byte_offset = 8},
                 {.box = {.offset = {1, 0}, .extent = {1, 3}}, .file = 0, .byte_offset = 20}}}};
  manifest.files = {{.name = "shard", .bytes = 32, .chunk_crc32c = {17}}};
  return manifest;
}

TEST(Manifest, ComesBackAsItWas) {
  const TemporaryFolder folder;
  WriteManifest(folder.path(), Example());
  const Manifest read = ReadManifest(folder.path());
  EXPECT_EQ(read.info.run_name, "test");
  EXPECT_EQ(read.info.completed_steps, 7);
  EXPECT_EQ(read.info.data_cursor, 56);
  EXPECT_EQ(read.info.seed, ~uint64_t{0} - 1);
  EXPECT_EQ(read.info.tokenizer_hash, Example().info.tokenizer_hash);
  EXPECT_EQ(read.info.config_text, Example().info.config_text);
  EXPECT_EQ(read.info.layout, Example().info.layout);
  EXPECT_EQ(read.info.created, "2026-11-22T15:04:05Z");
  EXPECT_EQ(read.info.host, "node-1");
  ASSERT_EQ(read.tensors.size(), 1u);
  EXPECT_EQ(read.tensors[0].shape, (Shape{2, 3}));
  ASSERT_EQ(read.tensors[0].boxes.size(), 2u);
  EXPECT_EQ(read.tensors[0].boxes[1].box.offset, (Shape{1, 0}));
  EXPECT_EQ(read.tensors[0].boxes[1].byte_offset, 20);
  EXPECT_EQ(read.num_bytes(), 32);
  EXPECT_EQ(SerializeManifest(read), SerializeManifest(Example()));
}

TEST(Manifest, EveryFlippedBitIsFound) {
  const TemporaryFolder folder;
  WriteManifest(folder.path(), Example());
  const auto path = folder / kManifestName;
  const std::string good = ReadFile(path, Kind::kInternal);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    WriteFile(path, bad);
    EXPECT_THAT(MessageOf(Kind::kCheckpoint, [&] { ReadManifest(folder.path()); }), HasSubstr(path))
        << bit;
  }
}

TEST(Manifest, EveryTruncationIsFound) {
  const TemporaryFolder folder;
  WriteManifest(folder.path(), Example());
  const auto path = folder / kManifestName;
  const std::string good = ReadFile(path, Kind::kInternal);
  for (size_t size = 0; size < good.size(); ++size) {
    WriteFile(path, good.substr(0, size));
    EXPECT_THAT(MessageOf(Kind::kCheckpoint, [&] { ReadManifest(folder.path()); }),
                HasSubstr(path));
  }
}

TEST(Manifest, OneThatIsMissingIsNamed) {
  const TemporaryFolder folder;
  EXPECT_THAT(MessageOf(Kind::kCheckpoint, [&] { ReadManifest(folder.path()); }),
              AllOf(HasSubstr(folder.path().string()), HasSubstr("manifest.pb is missing")));
}

TEST(Manifest, OneThatContradictsItselfIsRefused) {
  const auto refusal = [](const auto& change) {
    Manifest manifest = Example();
    change(manifest);
    return MessageOf(Kind::kCheckpoint,
                     [&] { ParseManifest(SerializeManifest(manifest), "here"); });
  };
  EXPECT_THAT(refusal([](Manifest& m) { m.files[0].name = "../shard"; }), HasSubstr("../shard"));
  EXPECT_THAT(refusal([](Manifest& m) { m.files[0].name = ".."; }), HasSubstr(".."));
  EXPECT_THAT(refusal([](Manifest& m) { m.files[0].name = ""; }), HasSubstr("not the name"));
  EXPECT_THAT(refusal([](Manifest& m) { m.files[0].bytes = -1; }), HasSubstr("-1 bytes"));
  EXPECT_THAT(refusal([](Manifest& m) { m.files[0].bytes = int64_t{1} << 62; }),
              HasSubstr("1 checksums do not fit"));
  EXPECT_THAT(refusal([](Manifest& m) { m.files[0].chunk_crc32c.clear(); }),
              HasSubstr("0 checksums do not fit"));
  EXPECT_THAT(refusal([](Manifest& m) { m.tensors[0].boxes[1].byte_offset = 21; }),
              AllOf(HasSubstr("tensor w"), HasSubstr("does not fit into file shard")));
  EXPECT_THAT(refusal([](Manifest& m) { m.tensors[0].boxes[1].byte_offset = -1; }),
              HasSubstr("does not fit"));
  EXPECT_THAT(refusal([](Manifest& m) { m.tensors[0].boxes[0].file = 1; }),
              HasSubstr("file number 1 of 1"));
  EXPECT_THAT(refusal([](Manifest& m) {
                m.tensors[0].boxes[0].box.extent = {3, 3};
              }),
              HasSubstr("not a part of shape [2, 3]"));
  EXPECT_THAT(refusal([](Manifest& m) { m.tensors[0].dtype = DType::kNone; }),
              HasSubstr("unknown dtype"));
}

TEST(Manifest, AnIncompleteOneIsNotWritten) {
  const TemporaryFolder folder;
  const auto refusal = [&](const Manifest& manifest) {
    return MessageOf(Kind::kCheckpoint, [&] { WriteManifest(folder.path(), manifest); });
  };
  Manifest manifest = Example();
  manifest.tensors[0].boxes.pop_back();
  EXPECT_THAT(refusal(manifest), HasSubstr("tensor w: only 3 of its 6 elements"));
  manifest = Example();
  manifest.tensors.push_back(manifest.tensors[0]);
  EXPECT_THAT(refusal(manifest), HasSubstr("tensor w is there twice"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace cadmus
