// SPDX-License-Identifier: Apache-2.0
#include "launch/run/published_files.h"

#include <system_error>

#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;

constexpr char kConfig[] = "config.json";
constexpr const char* kOthers[] = {"added_tokens.json", "chat_template.jinja",
                                   "generation_config.json", "special_tokens_map.json",
                                   "tokenizer_config.json"};
constexpr uintmax_t kMaxBytes = uintmax_t{32} << 20;

void Copy(const fs::path& from, const fs::path& to) {
  if (const uintmax_t bytes = fs::file_size(from); bytes > kMaxBytes) {
    throw Error(Kind::kCheckpoint, StrCat(from.string(), ": ", bytes, " bytes are too many for ",
                                          "such a file; is this another one?"));
  }
  ReplaceFile(to, ReadFile(from, Kind::kCheckpoint), Kind::kCheckpoint);
}

}  // namespace

void KeepPublishedFiles(const fs::path& from, const fs::path& to) {
  const auto keep = [&](const char* name) {
    if (!fs::exists(from / name)) return;
    std::error_code code;
    fs::create_directories(to, code);
    if (code) {
      throw Error(Kind::kCheckpoint, StrCat("cannot create ", to.string(), ": ", code.message()));
    }
    Copy(from / name, to / name);
  };
  keep(kConfig);
  for (const char* name : kOthers) keep(name);
}

std::string RestorePublishedFiles(const fs::path& from, const fs::path& to) {
  for (const char* name : kOthers) {
    if (fs::exists(from / name)) Copy(from / name, to / name);
  }
  return fs::exists(from / kConfig) ? ReadFile(from / kConfig, Kind::kCheckpoint) : "";
}

}  // namespace cadmus
