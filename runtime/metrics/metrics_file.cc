// SPDX-License-Identifier: Apache-2.0
#include "runtime/metrics/metrics_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/str_cat.h"

namespace cadmus {
namespace {

// The step of a line, or nothing if it is torn or no line of ours.
std::optional<int64_t> StepOf(std::string_view line) {
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const auto step = json.find("step");
  if (step == json.end() || !step->is_number_integer()) return std::nullopt;
  return step->get<int64_t>();
}

// The lines of `text` up to the first torn one, without those after `last_step`.
std::string KeptLines(std::string_view text, int64_t last_step) {
  std::string kept;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    const auto step = StepOf(text.substr(0, end));
    if (!step) break;
    if (*step <= last_step) kept.append(text.substr(0, end + 1));
    text.remove_prefix(end + 1);
  }
  return kept;
}

[[noreturn]] void Fail(const std::filesystem::path& path, std::string_view what) {
  const int code = errno;
  throw Error(Kind::kData, StrCat("cannot ", what, " ", path.string(), ": ", std::strerror(code),
                                  "; check the free space and the permissions there"));
}

std::string Number(double value) { return std::isfinite(value) ? StrCat(value) : "null"; }

}  // namespace

std::string MetricsLine(const StepMetrics& m) {
  return StrCat("{\"step\":", m.step, ",\"loss\":", Number(m.loss),
                ",\"gnorm\":", Number(m.gradient_norm), ",\"lr\":", Number(m.learning_rate),
                ",\"tokens\":", m.tokens, ",\"tok_s\":", Number(m.tokens_per_second()),
                ",\"seconds\":", Number(m.seconds),
                m.mfu ? StrCat(",\"mfu\":", Number(*m.mfu)) : std::string(),
                ",\"mem_bytes\":", m.memory_bytes, "}");
}

MetricsFile::MetricsFile(std::filesystem::path path, int64_t resume_after_step)
    : path_(std::move(path)) {
  std::error_code code;  // what cannot be looked at is named when it is opened
  if (std::filesystem::exists(path_, code)) {
    const std::string text = ReadFile(path_, Kind::kData);
    const std::string kept = KeptLines(text, resume_after_step);
    if (kept != text) ReplaceFile(path_, kept, Kind::kData);
  }
  file_ = FileDescriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!file_) Fail(path_, "open");
}

void MetricsFile::Append(const StepMetrics& metrics) {
  const std::string line = MetricsLine(metrics) + "\n";
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t n = ::write(file_.get(), rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) Fail(path_, "write");
    rest.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace cadmus
