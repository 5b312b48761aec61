// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/list_checkpoints.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "kernels/base/error.h"
#include "runtime/checkpoint/manifest.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";

std::optional<int64_t> StepOf(const std::string& name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  int64_t step = 0;
  const auto [end, code] =
      std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), step);
  // Names that only resemble one, such as those of unfinished saves, do not come out the same.
  if (code != std::errc() || step < 0 || CheckpointName(step) != name) return std::nullopt;
  return step;
}

// Why not all files of a checkpoint are there; empty if they are.
std::string FilesProblem(const fs::path& checkpoint, const Manifest& manifest) {
  for (const StoredFile& file : manifest.files) {
    const fs::path path = checkpoint / file.name;
    std::error_code code;
    const auto bytes = fs::file_size(path, code);
    if (code) return StrCat(path.string(), ": ", code.message());
    if (static_cast<int64_t>(bytes) != file.bytes) {
      return StrCat(path.string(), ": has ", bytes, " bytes, but the manifest says ", file.bytes);
    }
  }
  return "";
}

}  // namespace

std::string CheckpointName(int64_t completed_steps) {
  constexpr size_t kDigits = 8;
  const std::string digits = StrCat(completed_steps);
  return StrCat(kPrefix, std::string(kDigits - std::min(kDigits, digits.size()), '0'), digits);
}

std::vector<fs::path> CheckpointFolders(const fs::path& folder) {
  std::vector<std::pair<int64_t, fs::path>> found;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    const auto step = StepOf(entry.path().filename().string());
    if (step && entry.is_directory()) found.emplace_back(*step, entry.path());
  }
  if (code && code != std::errc::no_such_file_or_directory) {
    throw Error(Kind::kCheckpoint, StrCat("cannot list ", folder.string(), ": ", code.message(),
                                          "; check the path and the permissions"));
  }
  std::ranges::sort(found);
  std::vector<fs::path> paths;
  for (auto& [step, path] : found) paths.push_back(std::move(path));
  return paths;
}

CheckpointListing InspectCheckpoint(const fs::path& checkpoint) {
  CheckpointListing listing{.path = checkpoint,
                            .completed_steps = StepOf(checkpoint.filename().string()).value_or(0)};
  try {
    const Manifest manifest = ReadManifest(checkpoint);
    listing.torn = FilesProblem(checkpoint, manifest);
    if (!listing.complete()) return listing;
    listing.completed_steps = manifest.info.completed_steps;
    listing.bytes = manifest.num_bytes();
    listing.num_tensors = static_cast<int64_t>(manifest.tensors.size());
  } catch (const Error& error) {
    listing.torn = error.message();
  }
  return listing;
}

std::vector<CheckpointListing> ListCheckpoints(const fs::path& folder) {
  std::vector<CheckpointListing> listings;
  for (const fs::path& path : CheckpointFolders(folder))
    listings.push_back(InspectCheckpoint(path));
  return listings;
}

}  // namespace cadmus
