// SPDX-License-Identifier: Apache-2.0
// A model.safetensors.index.json beside two shards: what is accepted names tensors that can be read
// from the file where it has them.
#include <cstddef>
#include <filesystem>
#include <vector>

#include "runtime/formats/safetensors_folder.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

// A file of one tensor, F32 [2].
void WriteShard(std::string_view file, const std::string& name) {
  const std::string header =
      "{\"" + name + R"(":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  std::string content(sizeof(uint64_t), '\0');
  content[0] = static_cast<char>(header.size());  // fewer than 256
  cadmus::WriteInput(file, content + header + "12345678");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cadmus;
  static const bool shards_are_there = [] {
    WriteShard("a.safetensors", "x");
    WriteShard("b.safetensors", "y");
    return true;
  }();
  (void)shards_are_there;
  const std::filesystem::path index = WriteInput(kSafetensorsIndexName, AsText(data, size));
  ExpectOnly(Kind::kData, [&] {
    const SafetensorsFolder folder(index.parent_path(), Kind::kData);
    CADMUS_CHECK(!folder.tensors().empty(), "a folder without tensors");
    for (const auto& [name, entry] : folder.tensors()) {
      CADMUS_CHECK(folder.Find(name) != nullptr && entry.file < folder.num_files(), name);
      std::vector<std::byte> bytes(static_cast<size_t>(entry.tensor->end - entry.tensor->begin));
      folder.Read(entry, 0, bytes);
    }
  });
  return 0;
}
