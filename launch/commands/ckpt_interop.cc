// SPDX-License-Identifier: Apache-2.0
#include "launch/commands/ckpt_interop.h"

#include <charconv>
#include <optional>
#include <string_view>

#include "kernels/base/error.h"
#include "kernels/base/log.h"
#include "kernels/base/quantity.h"
#include "launch/commands/progress.h"
#include "launch/run/export_run.h"
#include "launch/run/import_run.h"

namespace cadmus {
namespace {

// What is told of bytes, as a bar of its own.
class CopyProgress {
 public:
  explicit CopyProgress(std::string what) : what_(std::move(what)) {}

  void operator()(int64_t bytes, int64_t total_bytes) {
    if (!progress_) progress_.emplace(what_, total_bytes);
    progress_->Show(bytes, BytesText(bytes));
  }
  void Clear() { progress_.reset(); }

 private:
  std::string what_;
  std::optional<Progress> progress_;
};

}  // namespace

int64_t BytesFromText(const std::string& text) {
  int64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  constexpr std::string_view kPowers = "KMGT";
  int64_t factor = unit.empty() || unit == "B" ? 1 : 0;
  if (unit.size() >= 2 && unit.back() == 'B' &&
      (unit.size() == 2 || (unit.size() == 3 && unit[1] == 'i'))) {
    if (const size_t power = kPowers.find(unit[0]); power != std::string_view::npos) {
      factor = 1;
      for (size_t i = 0; i <= power; ++i) factor *= unit.size() == 3 ? 1024 : 1000;
    }
  }
  int64_t bytes = 0;
  if (code != std::errc() || factor == 0 || number <= 0 ||
      __builtin_mul_overflow(number, factor, &bytes)) {
    throw Error(Kind::kConfig, StrCat("\"", text, "\" is no size; write one like 5GB or 512MiB"));
  }
  return bytes;
}

int RunCheckpointImport(const CheckpointImportFlags& flags) {
  CopyProgress progress("importing");
  const std::string summary =
      ImportRun({.source = flags.folder,
                 .run = flags.out,
                 .ignored_fields = flags.ignored_fields,
                 .progress = [&](int64_t bytes, int64_t total) { progress(bytes, total); }});
  progress.Clear();
  LogInfo(StrCat(flags.folder, ": ", summary));
  LogInfo(StrCat("imported to ", flags.out, "; `cadmus generate ", flags.out,
                 "` tries it, --set checkpoint.start_from=", flags.out, " trains it on"));
  return 0;
}

int RunCheckpointExport(const CheckpointExportFlags& flags) {
  CopyProgress progress("exporting");
  const std::string summary =
      ExportRun({.run = flags.folder,
                 .folder = flags.out,
                 .dtype = flags.dtype == "bf16" ? DType::kBF16 : DType::kF32,
                 .max_shard_bytes = BytesFromText(flags.max_shard_size),
                 .progress = [&](int64_t bytes, int64_t total) { progress(bytes, total); }});
  progress.Clear();
  LogInfo(StrCat("exported to ", flags.out, ": ", summary));
  return 0;
}

}  // namespace cadmus
